"""Runs over several real servers: requests are spread, documents keep their server, servers go and come back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.engine import endpoints
from harness.errors import HarnessError, InputError
from harness.runs.config import RunConfig
from harness.runs.execute import Stopped
from harness.runs.plan import prepare
from harness.runs.results import RunResult
from tests.chat_server import ChatServer, Fault, answer_by_rule
from tests.commands import harness_here
from tests.corpora import write_corpus

PLAIN = {"probe": "false", "constrain_with": "regex"}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "TICK_S", 0.01)
    monkeypatch.setattr(endpoints, "FIRST_WAIT_S", 0.01)


@pytest.fixture
def servers() -> Iterator[list[ChatServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(ChatServer(latency_s=0.002)) for _ in range(3)]


def ask(base_url: str, folder: Path, documents: int = 12, prompt: str = "tagged", **options: Any) -> RunResult:
    corpus = folder / f"corpus{documents}" / "corpus.json"
    if not corpus.is_file():
        write_corpus(corpus.parent, documents)
    chosen = {"dataset": str(corpus), "results": folder / "results", "max_retries": 0, "model_options": PLAIN}
    return run("scripted", prompt, base_url=base_url, **chosen | options)


def all_of(servers: list[ChatServer]) -> str:
    return " ".join(server.base_url for server in servers)


def predictions(result: RunResult) -> bytes:
    return (result.folder.path / "predictions.json").read_bytes()


def test_requests_are_spread_and_each_answer_tells_its_server(servers: list[ChatServer], tmp_path: Path) -> None:
    result = ask(all_of(servers), tmp_path, 30, max_connections=2)
    assert sum(server.answered.total() for server in servers) == 30
    assert min(server.answered.total() for server in servers) >= 5
    assert result.manifest.servers == {server.base_url: server.answered.total() for server in servers}
    steps = [step for record in result.folder.documents() for step in record.steps]
    assert {step["server"] for step in steps} == {server.base_url for server in servers}
    assert max(server.most_in_flight for server in servers) <= 2


def test_ids_and_keys_are_those_of_the_first_server_alone(servers: list[ChatServer], tmp_path: Path) -> None:
    alone = ask(servers[0].base_url, tmp_path)
    received = sum(server.received for server in servers)
    again = ask(all_of(servers), tmp_path)
    assert again.folder.run_id == alone.folder.run_id
    assert predictions(again) == predictions(alone)
    assert sum(server.received for server in servers) == received


def test_a_documents_questions_stay_at_one_server(servers: list[ChatServer], tmp_path: Path) -> None:
    seen: dict[str, set[int]] = {}

    def rule(number: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def answer(body: dict[str, Any]) -> dict[str, Any]:
            town = body["messages"][-1]["content"].partition("Town")[2].split()[0]
            seen.setdefault(town, set()).add(number)
            return answer_by_rule(body)

        return answer

    for number, server in enumerate(servers):
        server.rule = rule(number)
    ask(all_of(servers), tmp_path, 9, "pairwise", max_connections=24, prompt_options={"k": "1"})
    assert sum(server.received for server in servers) == 9 * 12
    assert len(seen) == 9
    assert all(len(numbers) == 1 for numbers in seen.values())
    assert set().union(*seen.values()) == {0, 1, 2}


def test_a_server_that_dies_is_left_out_and_loses_no_document(servers: list[ChatServer], tmp_path: Path) -> None:
    servers[1].misbehave = lambda number, _body: Fault("gone") if number > 4 else None
    result = ask(all_of(servers), tmp_path, 40, max_connections=4)
    assert result.manifest.statuses == {"ok": 40}
    assert sum(server.answered.total() for server in servers) == 40


def test_a_server_that_comes_back_is_asked_again(servers: list[ChatServer], tmp_path: Path) -> None:
    with ChatServer() as lost:
        pass
    with ExitStack() as stack:
        back: list[ChatServer] = []

        def answer_and_bring_it_back(body: dict[str, Any]) -> dict[str, Any]:
            if servers[0].received >= 5 and not back:
                back.append(stack.enter_context(ChatServer(port=lost.port)))
            time.sleep(0.005)
            return answer_by_rule(body)

        servers[0].rule = answer_and_bring_it_back
        result = ask(f"{servers[0].base_url} {lost.base_url}", tmp_path, 60, max_connections=2)
        assert result.manifest.statuses == {"ok": 60}
        assert back[0].answered.total() > 0


@pytest.mark.parametrize("fault", [Fault("status", 500), Fault("status", 401), Fault("status", 429), Fault("close")])
def test_a_server_that_fails_every_request_costs_no_document(
    servers: list[ChatServer], tmp_path: Path, fault: Fault
) -> None:
    servers[0].misbehave = lambda _number, _body: fault
    result = ask(all_of(servers), tmp_path, 30, max_connections=2)
    assert result.manifest.statuses == {"ok": 30}
    assert servers[0].received < 30


def test_a_request_that_every_server_fails_ends_its_document_alone(servers: list[ChatServer], tmp_path: Path) -> None:
    for server in servers:
        server.misbehave = lambda _number, body: Fault("status", 500) if "Town7 " in str(body["messages"]) else None
    assert ask(all_of(servers), tmp_path, 20).manifest.statuses == {"ok": 19, "api_error": 1}


def test_a_run_whose_servers_are_all_gone_stops_and_is_resumed(servers: list[ChatServer], tmp_path: Path) -> None:
    for server in servers:
        server.misbehave = lambda number, _body: Fault("status", 401) if number > 3 else None
    with pytest.raises(Stopped, match=r"3 requests in a row failed: .*refused"):
        ask(all_of(servers), tmp_path, 30, max_connections=2)
    for server in servers:
        server.misbehave = lambda _number, _body: None
    assert ask(all_of(servers), tmp_path, 30).manifest.statuses == {"ok": 30}
    assert sum(server.answered.total() for server in servers) == 30


def test_servers_that_all_refuse_the_key_are_bad_input(servers: list[ChatServer], tmp_path: Path) -> None:
    for server in servers:
        server.misbehave = lambda _number, _body: Fault("status", 401)
    with pytest.raises(HarnessError, match="refused") as raised:
        ask(all_of(servers), tmp_path)
    assert raised.value.exit_code == 2


def test_a_silent_server_is_found_by_its_health(
    servers: list[ChatServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "SILENCE_S", 0.05)
    servers[0].misbehave = lambda _number, _body: Fault("hang")
    servers[0].tells = {"/health": 503}
    assert ask(all_of(servers), tmp_path, 12, max_connections=2).manifest.statuses == {"ok": 12}


def test_a_file_of_servers_is_read_again_while_the_run_goes_on(servers: list[ChatServer], tmp_path: Path) -> None:
    named = tmp_path / "servers.txt"
    named.write_text(f"# one at first\n{servers[0].base_url}\n")

    def answer_and_add(body: dict[str, Any]) -> dict[str, Any]:
        if servers[0].received >= 4:
            named.write_text(all_of(servers).replace(" ", "\n"))
        time.sleep(0.005)
        return answer_by_rule(body)

    servers[0].rule = answer_and_add
    result = ask(f"@{named}", tmp_path, 60, max_connections=2)
    assert all(server.answered.total() for server in servers)
    assert result.manifest.statuses == {"ok": 60}
    named.write_text(servers[2].base_url)
    assert ask(f"@{named}", tmp_path, 60).folder.run_id == result.folder.run_id


def listing(**entry: object) -> dict[str, object]:
    return {"/v1/models": {"data": [{"id": "scripted", **entry}]}}


def test_servers_of_different_models_are_refused(servers: list[ChatServer], tmp_path: Path) -> None:
    servers[0].tells, servers[1].tells = listing(root="/a/qwen"), listing(root="/b/mistral")
    with pytest.raises(HarnessError, match=r"serve different models \(root '(mistral|qwen)' and '(mistral|qwen)'\)"):
        ask(all_of(servers), tmp_path, model_options={"constrain_with": "none"})
    servers[1].tells = {"/v1/models": {"data": [{"id": "a"}, {"id": "b"}]}}
    with pytest.raises(HarnessError, match="serves a, b, and not scripted"):
        ask(all_of(servers), tmp_path, model_options={"constrain_with": "none"})
    servers[1].tells = listing(root="/elsewhere/qwen/")
    assert ask(all_of(servers), tmp_path, model_options={"constrain_with": "none"}).manifest.statuses == {"ok": 12}


def test_a_server_of_another_model_that_is_added_later_is_left_out(
    servers: list[ChatServer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    named = tmp_path / "servers.txt"
    named.write_text(servers[0].base_url)
    servers[0].tells, servers[1].tells = listing(root="qwen"), listing(root="mistral")

    def answer_and_add(body: dict[str, Any]) -> dict[str, Any]:
        if servers[0].received == 4:
            named.write_text(f"{servers[0].base_url}\n{servers[1].base_url}\n")
        time.sleep(0.005)
        return answer_by_rule(body)

    servers[0].rule = answer_and_add
    assert ask(f"@{named}", tmp_path, 40, max_connections=1).manifest.statuses == {"ok": 40}
    assert servers[1].received == 0
    assert "serve different models" in caplog.text


def test_the_command_takes_several_addresses(
    servers: list[ChatServer], run_arguments: Callable[..., list[str]], results: Path
) -> None:
    done = harness_here(*run_arguments(servers[0].base_url, 6, "--base-url", servers[1].base_url, "--json"))
    assert done.returncode == 0, done.stderr
    assert sum(server.answered.total() for server in servers[:2]) == 6
    (manifest,) = results.glob("runs/*/manifest.json")
    stored = json.loads(manifest.read_text())
    assert stored["config"]["base_url"] == all_of(servers[:2])
    retried = harness_here("retry", stored["run_id"], "--results-dir", str(results))
    assert retried.returncode == 2
    assert f"--base-url {servers[0].base_url} --base-url {servers[1].base_url}" in retried.stderr


def test_as_many_files_may_be_opened_as_there_are_connections() -> None:
    code = (
        "import resource as r; from runners.several_servers import allow_open_files; "
        "r.setrlimit(r.RLIMIT_NOFILE, (300, 2000)); allow_open_files(40); print(r.getrlimit(r.RLIMIT_NOFILE)[0]); "
        "allow_open_files(1000); print(r.getrlimit(r.RLIMIT_NOFILE)[0]); allow_open_files(9000); "
        "print(r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["300", "1256", "2000"]


@pytest.mark.parametrize(
    ("base_url", "problem"),
    [("@absent.txt", "cannot be read"), ("http://a/v1 ftp://b", "an address such as"), ("@{empty}", "names no server")],
)
def test_addresses_that_cannot_be_used_are_bad_input(tmp_path: Path, base_url: str, problem: str) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("# none\n")
    config = RunConfig("scripted", "tagged", "sample", base_url=base_url.format(empty=empty), model_options=PLAIN)
    with pytest.raises(InputError, match=problem):
        prepare(config)


def test_a_server_of_few_prompts_is_asked_about_few_documents_at_once(
    servers: list[ChatServer], tmp_path: Path
) -> None:
    asked: list[str] = []

    def note(body: dict[str, Any]) -> dict[str, Any]:
        asked.append(body["messages"][-1]["content"].partition("Town")[2][0])
        return answer_by_rule(body)

    servers[0].rule = note
    options = {**PLAIN, "documents": "1"}
    ask(servers[0].base_url, tmp_path, 4, "pairwise", prompt_options={"k": "3"}, model_options=options)
    assert [asked[0], *(one for one, before in zip(asked[1:], asked, strict=False) if one != before)] == [*"0123"]
