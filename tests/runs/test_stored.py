"""A run folder from elsewhere is data: it starts no program, reaches no server and touches no file outside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.runs.planned_run import question_digest
from tests.chat_server import ChatServer, Fault
from tests.commands import error_line, harness_here
from tests.corpora import write_corpus

KEY = "sk-Zq8rT2mXw5Lp9VbN"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ChatServer, Path]]:
    """The server of whoever made the run, and a run over three documents that failed there."""
    folder = tmp_path_factory.mktemp("there")
    write_corpus(folder / "corpus", 3)
    with ChatServer(misbehave=lambda _number, _body: Fault("status", 400)) as server:
        done = harness_here(
            *("run", "--model", "scripted", "--prompt", "tagged", "--dataset", folder / "corpus" / "corpus.json"),
            *("--base-url", server.base_url, "-M", "probe=false", "-M", "constrain_with=regex"),
            *("--results-dir", folder / "results", "--json", "--max-connections", "1"),
        )
        assert done.returncode == 1
        assert f"--base-url {server.base_url}` asks again" in done.stderr
        server.misbehave = lambda _number, _body: None
        yield server, Path(json.loads(done.stdout)["run_dir"])


@pytest.fixture
def server(made: tuple[ChatServer, Path]) -> ChatServer:
    """That server, answering now, and with nothing received yet."""
    made[0].received, made[0].authorizations = 0, set()
    return made[0]


@pytest.fixture
def downloaded(made: tuple[ChatServer, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That run in a results folder of our own."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return Path(shutil.copytree(made[1], tmp_path / "here" / "runs" / made[1].name))


def changed(folder: Path, **config: Any) -> None:
    """The manifest with other values in its configuration."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["config"] |= config
    file.write_text(json.dumps(manifest), encoding="utf-8")


def test_retry_reaches_the_runs_server_only_where_the_command_repeats_it(downloaded: Path, server: ChatServer) -> None:
    refused = harness_here("retry", downloaded)
    assert refused.returncode == 2
    assert f"repeat them: harness retry RUN --base-url {server.base_url}" in error_line(refused)
    assert server.received == 0
    done = harness_here("retry", downloaded, "--base-url", server.base_url, "--json")
    assert json.loads(done.stdout)["statuses"] == {"ok": 3}
    assert server.authorizations == {f"Bearer {KEY}"}


def test_a_hidden_part_of_an_address_is_not_repeated_as_if_it_were_the_address(downloaded: Path) -> None:
    changed(downloaded, base_url="http://127.0.0.1:9/[sha256:16b835913d54]/v1 http://host/v1?sig=[key]")
    said = error_line(harness_here("retry", downloaded))
    assert "harness retry RUN --base-url http://127.0.0.1:9/... --base-url http://host/..." in said


def test_another_server_than_the_runs_is_another_question(downloaded: Path, server: ChatServer) -> None:
    refused = harness_here("retry", downloaded, "--base-url", server.base_url.replace("127.0.0.1", "localhost"))
    assert refused.returncode == 2
    assert "server" in error_line(refused)
    assert server.received == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("python", "{program}"),
        ("key_env", "AWS_SECRET_ACCESS_KEY"),
        ("path", "/tmp/model.gguf"),
        ("body.model", "another"),
        ("header.X-Forwarded-Host", "elsewhere"),
        ("flag.trust-remote-code", ""),
        ("flag.tool-parser-plugin", "{program}"),
        ("flag.dtype", "--trust-remote-code"),
        ("not-known-yet", "x"),
    ],
)
def test_retry_takes_no_option_with_power_from_the_run(
    option: str, value: str, downloaded: Path, server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-1")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    changed(downloaded, model_options={option: value.format(program=program)}, model="qwen2.5-7b")
    refused = harness_here("retry", downloaded, "--base-url", server.base_url)
    assert refused.returncode == 2
    assert f"-M {option}=" in error_line(refused).replace("'", "")
    assert server.received == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("model", ["./model.gguf", "vllm//models/mine", "transformers/some/repository"])
def test_retry_loads_no_weights_that_only_the_run_names(model: str, downloaded: Path) -> None:
    changed(downloaded, model=model, base_url=None)
    refused = harness_here("retry", downloaded)
    assert f"--model {model}" in error_line(refused)


def test_retry_checks_the_id_before_anything_is_built(downloaded: Path, server: ChatServer) -> None:
    manifest = json.loads((downloaded / "manifest.json").read_text(encoding="utf-8"))
    manifest["question"]["model"]["identity"]["base_url"] = "http://elsewhere/v1"
    (downloaded / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    refused = harness_here("retry", downloaded, "--base-url", server.base_url)
    assert "manifest was changed" in error_line(refused)
    own = downloaded.with_name(f"{downloaded.name[:-8]}{question_digest(manifest['question'])}")
    downloaded.rename(own)
    refused = harness_here("retry", own, "--base-url", server.base_url)
    assert "was made with another prompt" in error_line(refused)
    assert server.received == 0


def test_a_run_writes_beside_itself_whatever_folder_it_names(downloaded: Path, server: ChatServer) -> None:
    elsewhere = downloaded.parents[2] / "elsewhere"
    changed(downloaded, results=str(elsewhere))
    assert harness_here("retry", downloaded, "--base-url", server.base_url).returncode == 0
    assert harness_here("score", downloaded).returncode == 0
    assert not elsewhere.exists()
    stray = downloaded.rename(downloaded.parents[1] / downloaded.name)
    refused = harness_here("retry", stray, "--base-url", server.base_url)
    assert "move the folder into RESULTS/runs" in error_line(refused)


def test_scoring_a_run_reaches_nothing_and_needs_nothing_repeated(downloaded: Path, server: ChatServer) -> None:
    options = {"python": "/bin/false", "key_env": "OPENAI_API_KEY", "body.api_key": "(hidden)"}
    changed(downloaded, model_options=options)
    for command in (["sweep", "theta"], ["calibrate"]):
        assert "repeat them" not in harness_here(*command, downloaded).stderr
    assert harness_here("score", downloaded, "--json").returncode == 0
    assert server.received == 0


@pytest.mark.parametrize("name", ["manifest.json.tmp", "metrics.json", "documents.partial.jsonl", "predictions.json"])
def test_a_link_in_a_run_folder_is_neither_read_nor_written(name: str, downloaded: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine\n", encoding="utf-8")
    (downloaded / name).unlink(missing_ok=True)
    (downloaded / name).symlink_to(mine)
    for command in (["score"], ["card"], ["retry"]):
        assert f"{name} is a link" in error_line(harness_here(*command, downloaded))
    assert mine.read_text(encoding="utf-8") == "mine\n"
