"""A configuration file describes a run; it starts no program, and no key is sent to a server that only it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.chat_server import ChatServer
from tests.commands import error_line, harness_here

KEY = "sk-Zq8rT2mXw5Lp9VbN"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MINE", "another-key-of-mine-1")
    with ChatServer() as server:
        yield server


def run(tmp_path: Path, *more: str, **content: object) -> tuple[int, str]:
    """The code and the stderr of a run of one document with a configuration file."""
    file = tmp_path / "run.yaml"
    options = {"prompt": "tagged", "dataset": "sample", "limit": 1, "max-connections": 1}
    options["results-dir"] = str(tmp_path / "results")
    file.write_text(yaml.safe_dump({**options, **content}), encoding="utf-8")
    done = harness_here("run", "--config", file, "--display", "none", *more)
    return done.returncode, error_line(done) if done.returncode == 2 else done.stderr


def test_a_server_of_the_file_gets_no_key_unless_the_command_names_it_too(server: ChatServer, tmp_path: Path) -> None:
    options = {"probe": False, "constrain_with": "regex"}
    content = {"model": "scripted", "base-url": server.base_url, "model-option": options}
    code, said = run(tmp_path, **content)
    assert code == 0
    assert f"add --base-url {server.base_url} to send $OPENAI_API_KEY" in said
    assert server.authorizations == {""}, "no key"
    server.authorizations = set()
    code, said = run(tmp_path, "--base-url", server.base_url, "--repeat", "1", **content)
    assert (code, said) == (0, "")
    assert server.authorizations == {f"Bearer {KEY}"}


def test_the_key_of_a_provider_is_not_sent_to_a_server_of_the_file(server: ChatServer, tmp_path: Path) -> None:
    content = {"model": "openai/gpt-4o", "base-url": server.base_url, "constrain": "none"}
    assert run(tmp_path, **content)[0] == 0
    assert server.authorizations == {""}, "no key"


def test_a_key_of_the_command_needs_the_address_on_the_command(server: ChatServer, tmp_path: Path) -> None:
    content = {"model": "scripted", "base-url": server.base_url, "constrain": "none"}
    code, said = run(tmp_path, "-M", "key_env=MINE", **content)
    assert code == 2
    assert f"add --base-url {server.base_url} to send it the key in $MINE" in said
    assert server.received == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("python", "./program"),
        ("key_env", "MINE"),
        ("flag.trust-remote-code", ""),
        ("flag.middleware", "module.name"),
        ("flag.dtype", "--trust-remote-code"),
    ],
)
def test_what_runs_a_program_or_chooses_a_key_must_be_repeated(option: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "program").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "program").chmod(0o755)
    content = {"model": "vllm/some/model", "model-option": {option: value, "device": "cpu"}}
    code, said = run(tmp_path, **content)
    assert code == 2
    assert f"add to the command: -M {option}={value}" in said.replace("'", "")
    assert not (tmp_path / "ran").exists()
    assert "chooses what is run" not in run(tmp_path, "-M", f"{option}={value}", **content)[1]


def test_options_of_the_command_win_one_by_one(server: ChatServer, tmp_path: Path) -> None:
    content = {"model": "scripted", "model-option": {"probe": False, "constrain_with": "none", "batch": 1}}
    code, said = run(tmp_path, "--base-url", server.base_url, "-M", "constrain_with=regex", **content)
    assert code == 2
    assert "unknown option -M batch" in said
    del content["model-option"]["batch"]  # type: ignore[attr-defined]
    assert run(tmp_path, "--base-url", server.base_url, "-M", "constrain_with=regex", **content)[0] == 0
