"""Batches in the forms of Mistral and Anthropic, against servers that speak them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import ContextOverflow, InputError, RequestError, RetryableError
from harness.models import resolve_model
from harness.types import Message, Request, RunnerOptions, Sampling
from runners.batch_api import OpenAIBatches, batches_of
from runners.openai_api import OpenAIApiRunner
from tests.runners.scripted_server import Asked, ScriptedServer, chat, http

KEY = "sk-0123456789abcdefghijABCDEFGHIJ"
ASKED = Request(
    (Message("system", "Be brief."), Message("user", "Name a colour.")), Sampling(max_tokens=9, stop=("END",))
)
NAME = "ab" * 32


def runner_of(model: str, url: str, **extra: str) -> OpenAIApiRunner:
    return OpenAIApiRunner(resolve_model(model), RunnerOptions(base_url=url, extra=extra))


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


async def test_mistral_has_jobs_in_place_of_batches(tmp_path: Path) -> None:
    jobs: list[dict[str, object]] = []

    def reply(asked: Asked) -> bytes:
        jobs.append(dict(asked.body))
        return http({"id": "job1"})

    done = {"id": "job1", "status": "TIMEOUT_EXCEEDED", "completed_requests": 3, "output_file": "o", "errors": []}
    listed = {"data": [{"id": "job0", "status": "FAILED", "metadata": {"docre_harness": "run-1"}},
                       {"id": "job1", "status": "RUNNING", "metadata": {"docre_harness": "run-1"}}]}  # fmt: skip
    tells = {
        "/v1/files": {"id": "file1"},
        "/v1/batch/jobs/job1": done,
        "/v1/batch/jobs?page_size=100&created_by_me=true": listed,
        "/v1/files/o/content": json.dumps({"custom_id": NAME, "response": {"status_code": 200, "body": chat("red")}}),
    }
    async with ScriptedServer(reply, tells) as server, runner_of("mistral/mistral-large", server.url) as runner:
        batches = batches_of(runner)
        file = tmp_path / "requests.jsonl"
        file.write_text(batches.line(NAME, ASKED) + "\n")
        assert await batches.submit(file, "run-1") == "job1"
        assert await batches.find("run-1") == "job1"
        state = await batches.state("job1")
        await batches.fetch(state.files[0], tmp_path / "answers.jsonl")
    assert jobs == [{"input_files": ["file1"], "endpoint": "/v1/chat/completions", "model": "mistral-large",
                     "metadata": {"docre_harness": "run-1"}}]  # fmt: skip
    assert (state.is_over, state.answered, state.problem) == (True, 3, "TIMEOUT_EXCEEDED")
    answer = json.loads((tmp_path / "answers.jsonl").read_text())
    assert batches.read(answer, ASKED).text == "red"


async def test_anthropic_has_messages_in_the_body_of_a_batch(tmp_path: Path) -> None:
    def reply(asked: Asked) -> bytes:
        assert asked.path == "/v1/messages/batches"
        assert asked.headers["x-api-key"] == KEY.lower()
        assert asked.headers["anthropic-version"] == "2023-06-01"
        assert "authorization" not in asked.headers
        return http({"id": "msgbatch_1", "processing_status": "in_progress"})

    counts = {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 0}
    message = {
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "red"}],
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 11, "cache_read_input_tokens": 5, "output_tokens": 2},
    }
    tells = {
        "/v1/messages/batches/msgbatch_1": {"processing_status": "ended", "request_counts": counts},
        "/v1/messages/batches/msgbatch_1/results": json.dumps(
            {"custom_id": NAME, "result": {"type": "succeeded", "message": message}}
        ),
    }
    async with (
        ScriptedServer(reply, tells) as server,
        runner_of("claude-haiku-4.5", server.url, **{"body.top_k": "4"}) as runner,
    ):
        batches = batches_of(runner)
        file = tmp_path / "requests.jsonl"
        file.write_text(f"{batches.line(NAME, ASKED)}\n{batches.line('cd' * 32, ASKED)}\n")
        assert await batches.submit(file, "run-1") == "msgbatch_1"
        state = await batches.state("msgbatch_1")
        await batches.fetch(state.files[0], tmp_path / "answers.jsonl")
    assert (state.is_over, state.answered) == (True, 3)
    (sent,) = server.asked
    requests = sent.body["requests"]
    assert isinstance(requests, list)
    assert [one["custom_id"] for one in requests] == [NAME, "cd" * 32]
    assert requests[0]["params"] == {
        "model": "claude-haiku-4-5",
        "max_tokens": 9,
        "temperature": 0.0,
        "messages": [{"role": "user", "content": "Name a colour."}],
        "system": "Be brief.",
        "stop_sequences": ["END"],
        "top_k": 4,
    }
    completion = batches.read(json.loads((tmp_path / "answers.jsonl").read_text()), ASKED)
    assert (completion.text, completion.finish_reason) == ("red", "length")
    assert (completion.usage.prompt_tokens, completion.usage.cached_tokens) == (16, 5)


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ({"type": "expired"}, RetryableError),
        ({"type": "errored", "error": {"error": {"type": "api_error", "message": "down"}}}, RetryableError),
        ({"type": "errored", "error": {"error": {"type": "invalid_request_error", "message": "no"}}}, RequestError),
        (
            {"type": "errored", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}},
            ContextOverflow,
        ),
    ],
)
def test_what_anthropic_did_not_answer_is_told_apart(result: object, error: type[Exception]) -> None:
    batches = batches_of(runner_of("claude-haiku-4.5", "http://127.0.0.1:1/v1"))
    with pytest.raises(error):
        batches.read({"custom_id": NAME, "result": result}, ASKED)


def test_providers_without_batches_are_told() -> None:
    with pytest.raises(InputError, match="deepseek takes no batches"):
        batches_of(OpenAIApiRunner(resolve_model("deepseek/deepseek-chat"), RunnerOptions()))
    assert type(batches_of(runner_of("deepseek/deepseek-chat", "http://gateway/v1"))) is OpenAIBatches
