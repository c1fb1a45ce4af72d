"""Runs against servers that answer oddly: each document ends with an answer that can be stored, or says why not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from harness.cli.summary import result_lines
from harness.engine.budget import Limits
from harness.runs.execute import Stopped
from harness.runs.results import RunResult
from tests.chat_server import ChatServer, Fault, Misbehave, answer_by_rule, completion

Ask = Callable[..., RunResult]


def stored(result: RunResult) -> list[dict[str, Any]]:
    lines = (result.folder.path / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


def with_usage(usage: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda body: {**answer_by_rule(body), "usage": usage}


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": 10**25, "completion_tokens": True},
    ],
)
def test_a_budget_holds_without_usage_and_says_that_tokens_are_estimated(ask: Ask, usage: object) -> None:
    with ChatServer(with_usage(usage)) as server:
        whole = ask(server)
        assert whole.manifest.usage.estimated == 3
        assert whole.manifest.usage.prompt_tokens > 3 * 300
        each = whole.manifest.usage.prompt_tokens / 3
        with pytest.raises(Stopped, match=r"--max-tokens-total .*estimated"):
            ask(server, 12, limits=Limits(tokens=int(6 * each)), max_tokens=50)
        assert 3 + 3 <= server.answered.total() <= 3 + 6


def test_a_prompt_that_the_server_cut_is_an_overflow(ask: Ask) -> None:
    def cut(body: dict[str, Any]) -> dict[str, Any]:
        return answer_by_rule(body) | {"usage": {"prompt_tokens": 258, "completion_tokens": 5}}

    with ChatServer(cut) as server:
        result = ask(server, dataset="sample", limit=3, prompt_options={"descriptions": "full"})
    assert result.manifest.statuses == {"context_overflow": 3}
    assert "num_ctx" in stored(result)[0]["error"]


def first(count: int, fault: Fault) -> Misbehave:
    return lambda number, _body: fault if number <= count else None


def test_twenty_documents_that_are_too_long_do_not_end_a_run(ask: Ask) -> None:
    words = "The input (5000 tokens) is longer than the model's context length (4096 tokens)."
    too_long = Fault("status", 400, (), json.dumps({"object": "error", "message": words, "code": 400}))
    with ChatServer(misbehave=first(24, too_long)) as server:
        result = ask(server, 30)
    assert result.manifest.statuses == {"context_overflow": 24, "ok": 6}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", 400, (), '{"error": {"message": "half of a character: \\ud800"}}'),
        Fault("status", 429, (("Retry-After", "Fri, 31 Dec 9223372036854775807 23:59:59 GMT"),)),
        Fault("status", 500, (("Retry-After", "9" * 400),), "[" * 100000),
        Fault("status", 200, (), '{"choices": ' * 100000),
        Fault("status", 200, (("Content-Type", "text/event-stream"),), "data: {}\n\n"),
        Fault("status", 418, (), json.dumps({"error": [[["odd"]]]})),
        Fault("status", 200, (), json.dumps({"error": {"code": "many", "message": 7}})),
    ],
)
def test_an_odd_error_is_one_of_its_document(ask: Ask, fault: Fault) -> None:
    with ChatServer(misbehave=first(1, fault)) as server:
        result = ask(server)
    assert result.manifest.statuses == {"api_error": 1, "ok": 2}
    (error,) = [record["error"] for record in stored(result) if record["error"]]
    assert len(error.splitlines()) == 1


def test_log_probabilities_that_are_no_numbers_count_as_impossible(ask: Ask) -> None:
    odd_numbers = [-math.inf, math.nan, -(10**400), None]

    def odd(_body: dict[str, Any]) -> dict[str, Any]:
        answer = completion("A", 400)
        top = [{"token": "A", "logprob": -0.1}, *({"token": "\ud800", "logprob": number} for number in odd_numbers)]
        answer["choices"][0]["logprobs"] = {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": top}]}
        return answer

    with ChatServer(odd) as server:
        result = ask(server, prompt="choice", candidates="gold", constrain="none")
    assert result.manifest.statuses == {"ok": 3}
    assert stored(result)[0]["steps"][0]["logprobs"][0]["top"] == [["A", -0.1], *[["?", -9999.0]] * 4]


def test_what_was_sent_otherwise_than_asked_is_told_also_of_answers_from_the_journal(ask: Ask) -> None:
    def refuse_temperature(_number: int, body: dict[str, Any]) -> Fault | None:
        error = {"error": {"message": "Unsupported value: 'temperature' does not support 0 with this model."}}
        return Fault("status", 400, (), json.dumps(error)) if "temperature" in body else None

    with ChatServer(misbehave=refuse_temperature) as server:
        results = [ask(server), ask(server)]
        assert server.answered.total() == 3
    for result in results:
        assert result.manifest.statuses == {"ok": 3}
        assert result.manifest.adjusted == {"temperature left out": 3}
    assert dict(result_lines(results[0]))["adjusted"].startswith("3 temperature left out: the server refuses")


def test_a_model_without_a_grammar_is_run_without_one_and_stored_as_such(ask: Ask) -> None:
    with ChatServer() as server:
        result = ask(server, constrain="closed", model_options={"constrain_with": "none"})
    assert result.manifest.question.constraint.as_json() == {"level": "none", "form": None}
    assert dict(result_lines(result))["constraint"].startswith("none: closed is not possible")
