from __future__ import annotations

import json

import pytest

from harness.errors import ContextOverflow, FatalError, HarnessError, RequestError, RetryableError
from harness.types import Constraint, Message, ModelSpec, Request, RunnerOptions, Sampling
from runners.openai_api import OpenAIApiRunner
from runners.probe import WORD
from tests.runners.scripted_server import CLOSE, Asked, Reply, ScriptedServer, chat, http

ASKED = Request((Message("user", "A text."),), Sampling(max_tokens=20))
CONSTRAINED = Request(ASKED.messages, ASKED.sampling, Constraint("json_schema", '{"type": "object"}'))
KEY = "sk-secret-0123456789abcdef"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def runner_at(url: str, **extra: str) -> OpenAIApiRunner:
    spec = ModelSpec("m", "openai_api", "some-model", provider="openai")
    return OpenAIApiRunner(spec, RunnerOptions(base_url=url, extra=extra))


async def failure(reply: Reply, request: Request = ASKED) -> HarnessError:
    async with ScriptedServer(reply) as server, runner_at(server.url) as runner:
        with pytest.raises(HarnessError) as raised:
            await (runner.probe if request.constraint else runner.generate)(request)
    return raised.value


async def test_an_answer_comes_back_with_its_usage_and_latency() -> None:
    async with ScriptedServer(lambda _asked: http(chat("hello"))) as server, runner_at(server.url) as runner:
        completion = await runner.generate(ASKED)
    assert (completion.text, completion.usage.prompt_tokens) == ("hello", 7)
    assert 0 < completion.latency_s < 5
    assert server.asked[0].path == "/v1/chat/completions"
    assert server.asked[0].headers["authorization"].lower() == f"bearer {KEY}"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RequestError), (401, FatalError), (404, FatalError), (500, RetryableError), (503, RetryableError)],
)
async def test_a_failure_becomes_its_kind_of_error(status: int, kind: type[HarnessError]) -> None:
    assert type(await failure(lambda _asked: http({"error": {"message": "no"}}, status))) is kind


async def test_a_key_that_the_server_echoes_stays_out_of_the_whole_error() -> None:
    error = await failure(lambda _asked: http({"error": {"message": f"bad key {KEY}"}}, 401))
    assert "secret" not in f"{error!r} {error.__cause__!r}"
    assert "$OPENAI_API_KEY" in str(error)


async def test_a_rate_limit_carries_the_wait_and_is_sent_once() -> None:
    async with (
        ScriptedServer(lambda _asked: http("{}", 429, {"Retry-After": "3"})) as server,
        runner_at(server.url) as runner,
    ):
        with pytest.raises(RetryableError) as raised:
            await runner.generate(ASKED)
    assert (raised.value.retry_after_s, raised.value.overloaded) == (3.0, True)
    assert len(server.asked) == 1


async def test_an_overflow_is_told_from_other_bad_requests() -> None:
    body = {"error": {"message": "too long", "code": "context_length_exceeded"}}
    assert type(await failure(lambda _asked: http(body, 400))) is ContextOverflow


HALF = b"HTTP/1.1 200 OK\r\nX-Then: truncate\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(CLOSE, id="closed connection"),
        pytest.param(HALF + b'"choices": [{"mess', id="half a body"),
        pytest.param(http('{"choices": [{"mess'), id="half a JSON body"),
        pytest.param(http({"choices": []}), id="no choice"),
        pytest.param(http("<html>gateway</html>"), id="not JSON"),
        pytest.param(http({"error": {"code": 502, "message": "upstream"}}), id="error with status 200"),
    ],
)
async def test_a_broken_answer_is_retryable(answer: bytes) -> None:
    assert type(await failure(lambda _asked: answer)) is RetryableError


async def test_a_refused_connection_is_retryable() -> None:
    async with ScriptedServer(lambda _asked: CLOSE) as server:
        url = server.url
    async with runner_at(url) as runner:
        with pytest.raises(RetryableError, match="connection"):
            await runner.generate(ASKED)


async def test_an_address_that_is_none_is_fatal() -> None:
    with pytest.raises(FatalError, match="localhost:8000"):
        await runner_at("localhost:8000/v1").__aenter__()


def enforcing(asked: Asked) -> bytes:
    schema = json.dumps(asked.body.get("response_format", ""))
    return http(chat(json.dumps({"word": WORD}) if WORD in schema else '{"a": 1}'))


async def test_a_constraint_is_tested_by_one_small_request() -> None:
    async with ScriptedServer(enforcing) as server, runner_at(server.url) as runner:
        await runner.probe(CONSTRAINED)
        completion = await runner.generate(CONSTRAINED)
    assert completion.text == '{"a": 1}'
    assert len(server.asked) == 2


async def test_a_free_request_needs_no_test() -> None:
    async with ScriptedServer(enforcing) as server, runner_at(server.url) as runner:
        await runner.probe(ASKED)
    assert server.asked == []


async def test_a_server_that_ignores_a_constraint_is_found_out() -> None:
    error = await failure(lambda _asked: http(chat("Hello there!")), CONSTRAINED)
    assert type(error) is FatalError
    assert "ignores the constraint" in str(error)


async def test_a_server_that_refuses_a_constraint_is_fatal_with_a_way_out() -> None:
    error = await failure(lambda _asked: http({"error": "unsupported response_format"}, 400), CONSTRAINED)
    assert type(error) is FatalError
    assert "--constrain none" in str(error)


async def test_a_model_that_thinks_too_long_for_the_test_gets_more_tokens() -> None:
    def thinking(asked: Asked) -> bytes:
        if asked.body["max_completion_tokens"] == 256:
            return http(chat("", "length", reasoning_content="Hm."))
        return enforcing(asked)

    async with ScriptedServer(thinking) as server, runner_at(server.url) as runner:
        await runner.probe(CONSTRAINED)
    assert [asked.body["max_completion_tokens"] for asked in server.asked] == [256, 8192]


async def test_an_overloaded_server_does_not_fail_the_test_for_good() -> None:
    answers = iter([http("{}", 429)])
    async with (
        ScriptedServer(lambda asked: next(answers, None) or enforcing(asked)) as server,
        runner_at(server.url) as runner,
    ):
        with pytest.raises(RetryableError):
            await runner.probe(CONSTRAINED)
        await runner.probe(CONSTRAINED)


async def test_the_test_can_be_turned_off() -> None:
    async with (
        ScriptedServer(lambda _asked: http(chat("anything"))) as server,
        runner_at(server.url, probe="false") as runner,
    ):
        await runner.probe(CONSTRAINED)
        assert (await runner.generate(CONSTRAINED)).text == "anything"


async def test_what_a_server_cannot_do_is_refused_before_sending() -> None:
    async with ScriptedServer(lambda _asked: http(chat())) as server, runner_at(server.url) as runner:
        with pytest.raises(FatalError, match="json_schema"):
            await runner.generate(Request(ASKED.messages, constraint=Constraint("regex", "a")))
        with pytest.raises(FatalError, match="at most 20"):
            await runner.generate(Request(ASKED.messages, top_logprobs=21))
    assert server.asked == []


async def test_body_fields_can_be_added_and_left_out() -> None:
    async with (
        ScriptedServer(lambda _asked: http(chat())) as server,
        runner_at(server.url, omit="seed,temperature", **{"body.reasoning_effort": "low", "body.n": "1"}) as runner,
    ):
        await runner.generate(ASKED)
    (asked,) = server.asked
    assert (asked.body["reasoning_effort"], asked.body["n"]) == ("low", 1)
    assert not {"seed", "temperature"} & asked.body.keys()


async def test_a_stopped_runner_answers_nothing() -> None:
    async with ScriptedServer(lambda _asked: http(chat())) as server:
        async with runner_at(server.url) as runner:
            await runner.generate(ASKED)
        with pytest.raises(FatalError, match="not started"):
            await runner.generate(ASKED)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"model": "a"}, {"model": "b"}),
        ({"body.reasoning_effort": "low"}, {"body.reasoning_effort": "high"}),
        ({"omit": "seed"}, {}),
    ],
)
def test_options_that_change_answers_tell_identities_apart(one: dict[str, str], other: dict[str, str]) -> None:
    assert runner_at("http://a/v1", **one).identity != runner_at("http://a/v1", **other).identity


def test_options_that_change_no_answer_stay_out_of_the_identity() -> None:
    assert runner_at("http://a/v1", probe="false").identity == runner_at("http://a/v1").identity


def test_no_identity_holds_a_key() -> None:
    assert KEY not in json.dumps(dict(runner_at("http://a/v1").identity))
