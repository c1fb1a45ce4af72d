"""A server may fail in every way it likes: no document is lost, and no failure is taken for an answer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import ChatServer, Fault, answer_by_rule, completion
from tests.commands import error_line, harness, harness_json

Arguments = Callable[..., list[str]]

TOLERANT = ("--fail-on-error", "0.2")
FAULTS = (
    Fault("status", 429, (("Retry-After", "0.1"),)),
    Fault("status", 429, (("retry-after-ms", "50"),)),
    Fault("status", 500),
    Fault("status", 503, (("Retry-After", "0"),)),
    Fault("status", 200, (), "this is no JSON"),
    Fault("status", 200, (), json.dumps({**completion("x"), "choices": []})),
    Fault("close"),
    Fault("half"),
    Fault("hang"),
)


def truncate_some(body: dict[str, Any]) -> dict[str, Any]:
    """The usual answer, cut off in the middle of a line for every document whose number ends in 3."""
    answer = answer_by_rule(body)
    if "3</E1>" in body["messages"][-1]["content"]:
        answer["choices"][0] |= {"finish_reason": "length", "message": {"role": "assistant", "content": "(E1 | cap"}}
    return answer


def test_a_server_that_fails_a_third_of_the_time_loses_no_document(
    run_arguments: Arguments, results: Path, tmp_path: Path
) -> None:
    generator = random.Random(3)

    def misbehave(_number: int, _body: dict[str, Any]) -> Fault | None:
        return generator.choice(FAULTS) if generator.random() < 0.3 else None

    with ChatServer(truncate_some) as server:
        calm = harness_json(*run_arguments(server.base_url, 100, *TOLERANT, "--results-dir", str(tmp_path / "calm")))
    with ChatServer(truncate_some, misbehave) as server:
        troubled = harness_json(
            *run_arguments(
                server.base_url, 100, *TOLERANT, "--timeout", "0.5", "--max-retries", "20", "--max-connections", "16"
            )
        )
        assert server.received > 110
        assert max(server.answered.values()) <= 2, "an answer may be lost to a timeout, not to anything else"
    assert troubled["statuses"] == calm["statuses"] == {"ok": 90, "truncated": 10}
    assert troubled["metrics"] == calm["metrics"]
    for one, other in zip(_documents(results), _documents(tmp_path / "calm"), strict=True):
        assert (one["title"], one["predictions"]) == (other["title"], other["predictions"])


def test_documents_that_never_get_an_answer_are_told_apart_and_asked_again_by_retry(
    run_arguments: Arguments, results: Path
) -> None:
    def refuse_some(_number: int, body: dict[str, Any]) -> Fault | None:
        return Fault("status", 400) if "7</E1>" in body["messages"][-1]["content"] else None

    with ChatServer(misbehave=refuse_some) as server:
        arguments = run_arguments(server.base_url, 40)
        failed = harness(*arguments)
        assert failed.returncode == 1
        assert "harness retry" in failed.stderr
        statuses = {record["title"]: record["status"] for record in _documents(results)}
        assert sum(status == "api_error" for status in statuses.values()) == 4
        assert all(record["error"] for record in _documents(results) if record["status"] == "api_error")
        assert harness(*arguments, "--fail-on-error", "0.2").returncode == 0
        board = json.loads(harness("leaderboard", "--format", "json", "--results-dir", results).stdout)
        assert board[0]["ranked"] == []
        assert board[0]["unranked"][0]["reason"] == "4 of 40 documents without a full answer: 4 api_error"

        server.misbehave = lambda _number, _body: None
        before = server.answered.total()
        run_id = board[0]["unranked"][0]["run_id"]
        healed = harness_json("retry", run_id, "--base-url", server.base_url, "--results-dir", results)
        assert server.answered.total() - before == 4
        assert healed["statuses"] == {"ok": 40}


def test_context_overflow_is_a_status_of_its_own(run_arguments: Arguments) -> None:
    too_long = Fault("status", 400, (), json.dumps({"error": {"code": "context_length_exceeded", "message": "long"}}))

    def overflow_once(number: int, _body: dict[str, Any]) -> Fault | None:
        return too_long if number == 1 else None

    with ChatServer(misbehave=overflow_once) as server:
        done = harness(*run_arguments(server.base_url, 5, "--json"))
    assert done.returncode == 1
    assert json.loads(done.stdout)["statuses"] == {"context_overflow": 1, "ok": 4}


def test_a_refused_key_stops_at_once_and_is_never_shown(run_arguments: Arguments, results: Path) -> None:
    key = "sk-secret-0123456789abcdef"
    echo = Fault("status", 401, (), json.dumps({"error": {"message": f"Incorrect API key provided: {key}"}}))
    with ChatServer(misbehave=lambda _number, _body: echo) as server:
        done = harness(*run_arguments(server.base_url, 100), OPENAI_API_KEY=key)
        assert done.returncode == 2
        assert "OPENAI_API_KEY" in error_line(done)
        assert server.received <= 16
        assert server.authorizations == {f"Bearer {key}"}
    assert key not in done.stdout + done.stderr
    assert not any(key.encode() in file.read_bytes() for file in results.rglob("*") if file.is_file())


def test_a_key_never_reaches_a_file_of_a_run_that_works(run_arguments: Arguments, results: Path) -> None:
    key = "sk-secret-0123456789abcdef"
    echo = Fault("status", 400, (), json.dumps({"error": {"message": f"bad request by {key}"}}))
    with ChatServer(misbehave=lambda number, _body: echo if number % 5 == 0 else None) as server:
        done = harness(*run_arguments(server.base_url, 20, "-M", "body.user=me"), OPENAI_API_KEY=key)
    assert done.returncode == 1
    assert key not in done.stdout + done.stderr
    assert not any(key.encode() in file.read_bytes() for file in results.rglob("*") if file.is_file())


def test_a_server_that_is_not_there_is_one_line(run_arguments: Arguments) -> None:
    done = harness(*run_arguments("http://127.0.0.1:9/v1", 30, "--max-retries", "1"))
    assert done.returncode == 2
    assert "127.0.0.1:9" in error_line(done)


@pytest.mark.parametrize("status", [404])
def test_an_unknown_model_stops_at_once(run_arguments: Arguments, status: int) -> None:
    body = json.dumps({"error": {"message": "The model `scripted` does not exist", "code": "model_not_found"}})
    with ChatServer(misbehave=lambda _number, _body: Fault("status", status, (), body)) as server:
        done = harness(*run_arguments(server.base_url, 50))
    assert done.returncode == 2
    assert "scripted" in error_line(done)
    assert server.received <= 16


def _documents(results: Path) -> list[dict[str, Any]]:
    (file,) = (results / "runs").glob("*/documents.jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_prompt_that_moderation_refuses_ends_that_document_only(run_arguments: Arguments) -> None:
    flagged = Fault("status", 403, (), json.dumps({"error": {"code": 403, "message": "Your input was flagged"}}))
    with ChatServer(misbehave=lambda number, _body: flagged if number == 3 else None) as server:
        done = harness(*run_arguments(server.base_url, 8, "--json"))
    assert done.returncode == 1, "one of eight documents is more than --fail-on-error allows"
    assert json.loads(done.stdout)["statuses"] == {"ok": 7, "refused": 1}


def test_a_rate_limit_that_mentions_billing_is_waited_for(run_arguments: Arguments) -> None:
    text = "Rate limit reached, try again in 1s. Upgrade at https://example.org/settings/billing"
    busy = Fault("status", 429, (("Retry-After", "0"),), json.dumps({"error": {"code": "rate_limit", "message": text}}))
    with ChatServer(misbehave=lambda number, _body: busy if number == 2 else None) as server:
        assert harness_json(*run_arguments(server.base_url, 6))["statuses"] == {"ok": 6}


def test_a_lone_surrogate_in_an_answer_is_stored_and_read(run_arguments: Arguments) -> None:
    with ChatServer(lambda _body: completion("(E1 | \ud800 | E2)\nEND")) as server:
        run = harness_json(*run_arguments(server.base_url, 3))
    assert run["statuses"] == {"ok": 3}
    assert run["rejects"] == {"unknown_relation": 3}


def test_answers_that_a_retry_replaced_still_count_as_spent(run_arguments: Arguments, results: Path) -> None:
    def cut_off(_body: dict[str, Any]) -> dict[str, Any]:
        return completion("(E1 | cap", prompt_tokens=100, finish_reason="length")

    with ChatServer(cut_off) as server:
        run = json.loads(harness(*run_arguments(server.base_url, 4), "--json").stdout)
        retry = ["retry", run["run_id"], "--base-url", server.base_url, "--results-dir", results]
        again = json.loads(harness(*retry, "--json").stdout)
        assert again["spent"]["requests"] == server.answered.total() == 8
        assert again["usage"]["requests"] == 4
        stopped = harness(*retry, "--max-tokens-total", "900")
        assert stopped.returncode == 3, "nothing is left of the budget that both earlier sessions drew on"
