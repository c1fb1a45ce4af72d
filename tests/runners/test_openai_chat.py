from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace

import pytest

from harness.errors import ContextOverflow, FatalError, HarnessError, OutageError, RequestError, RetryableError
from harness.types import Constraint, Message, ModelSpec, Request, RunnerOptions, Sampling
from runners import connections
from runners.chat_answer import UnusableAnswer
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
    [(400, RequestError), (401, OutageError), (404, OutageError), (500, RetryableError), (503, RetryableError)],
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
        with pytest.raises(RetryableError, match="connection") as raised:
            await runner.generate(ASKED)
    assert raised.value.outage == "connection"


async def test_an_answer_that_breaks_off_is_no_lost_connection() -> None:
    assert (await failure(lambda _asked: CLOSE)).outage == ""  # type: ignore[attr-defined]


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


SYSTEM = (Message("system", "Extract."), *ASKED.messages)


def said(message: str, status: int = 400) -> bytes:
    return http({"error": {"message": message, "type": "invalid_request_error"}}, status)


def like_gpt_5(asked: Asked) -> bytes:
    """Refuses what gpt-5 refuses, one field after the other, as a proxy in front of it passes it on."""
    if "max_tokens" in asked.body:
        return said("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.")
    if "temperature" in asked.body:
        return said("Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is.")
    return enforcing(asked)


def proxied(url: str, **extra: str) -> OpenAIApiRunner:
    return OpenAIApiRunner(ModelSpec("m", "openai_api", "some-model"), RunnerOptions(base_url=url, extra=extra))


GPT_5 = ("temperature left out", "max_tokens sent as max_completion_tokens")


async def test_what_a_server_refuses_is_found_by_the_test_and_not_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    async with ScriptedServer(like_gpt_5) as server, proxied(server.url) as runner:
        await runner.probe(CONSTRAINED)
        tested = len(server.asked)
        completions = [await runner.generate(CONSTRAINED) for _ in range(2)]
    assert (tested, len(server.asked)) == (3, 5)
    assert all(sorted(completion.adjusted) == sorted(GPT_5) for completion in completions)
    assert [record.message.split(": ")[1].removesuffix(" from now on") for record in caplog.records] == [*GPT_5[::-1]]


async def test_what_a_server_refuses_later_is_left_out_of_all_that_is_under_way() -> None:
    async with ScriptedServer(like_gpt_5) as server, proxied(server.url) as runner:
        completions = await asyncio.gather(*(runner.generate(ASKED) for _ in range(5)))
    assert {completion.text for completion in completions} == {'{"a": 1}'}
    assert all(sorted(completion.adjusted) == sorted(GPT_5) for completion in completions)


async def test_a_field_that_the_user_sets_is_not_left_out() -> None:
    async with (
        ScriptedServer(like_gpt_5) as server,
        proxied(server.url, **{"body.temperature": "0"}) as runner,
    ):
        with pytest.raises(RequestError, match="temperature"):
            await runner.generate(ASKED)
    assert len(server.asked) == 2


def without_system_role(asked: Asked) -> bytes:
    messages = asked.body["messages"]
    assert isinstance(messages, list)
    return said("System role not supported", 500) if messages[0]["role"] == "system" else enforcing(asked)


async def test_a_system_message_that_is_refused_opens_the_users_message() -> None:
    constrained = replace(CONSTRAINED, messages=SYSTEM)
    async with ScriptedServer(without_system_role) as server, runner_at(server.url) as runner:
        await runner.probe(constrained)
        completion = await runner.generate(constrained)
        plain = await runner.generate(ASKED)
    assert completion.adjusted == ("system message put into the first user message",)
    assert plain.adjusted == ()
    assert len(server.asked) == 4
    assert server.asked[2].body["messages"] == [{"role": "user", "content": "Extract.\n\nA text."}]


async def test_log_probabilities_that_are_refused_are_done_without() -> None:
    def refusing(asked: Asked) -> bytes:
        return said("property 'logprobs' is unsupported") if "logprobs" in asked.body else enforcing(asked)

    asked = replace(CONSTRAINED, top_logprobs=5)
    async with ScriptedServer(refusing) as server, runner_at(server.url) as runner:
        await runner.probe(asked)
        completion = await runner.generate(asked)
    assert (completion.logprobs, completion.adjusted) == ((), ("logprobs left out",))


async def test_log_probabilities_that_are_left_out_unsaid_end_the_run_with_the_option_that_helps() -> None:
    error = await failure(enforcing, replace(CONSTRAINED, top_logprobs=5))
    assert type(error) is FatalError
    assert "-P logprobs=0" in str(error)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_a_constrained_answer_that_comes_as_reasoning_ends_the_run_at_its_test(field: str) -> None:
    error = await failure(lambda _asked: http(chat(None, **{field: f'{{"word": "{WORD}"}}'})), CONSTRAINED)
    assert type(error) is FatalError
    assert "as reasoning" in str(error)
    assert "enable_thinking" in str(error)


async def test_a_server_that_refuses_any_request_is_not_said_to_refuse_the_grammar() -> None:
    error = await failure(lambda _asked: said("This deployment is paused"), CONSTRAINED)
    assert type(error) is FatalError
    assert "also without a grammar" in str(error)
    assert "paused" in str(error)
    assert "--constrain none" not in str(error)


async def test_a_server_that_refuses_only_the_grammar_is_said_to() -> None:
    def refusing(asked: Asked) -> bytes:
        return said("Not implemented") if "response_format" in asked.body else enforcing(asked)

    assert "--constrain none" in str(await failure(refusing, CONSTRAINED))


async def test_a_prompt_that_is_longer_than_the_servers_context_is_not_sent() -> None:
    tells = {"/v1/models": {"data": [{"id": "some-model", "max_model_len": 1000}]}}
    async with ScriptedServer(enforcing, tells) as server, runner_at(server.url) as runner:
        await runner.probe(ASKED)
        with pytest.raises(ContextOverflow, match=r"1001 tokens or more.* 1000"):
            await runner.generate(replace(ASKED, messages=(Message("user", "word " * 1001),)))
        assert server.asked == []
        await runner.generate(replace(ASKED, messages=(Message("user", "word " * 1000),)))
    assert len(server.asked) == 1


async def test_the_context_is_asked_of_the_servers_own_paths_too() -> None:
    tells = {"/api/ps": {"models": []}, "/api/show": {"parameters": "num_ctx 200"}}
    async with ScriptedServer(enforcing, tells) as server, runner_at(server.url) as runner:
        await runner.probe(ASKED)
        with pytest.raises(ContextOverflow):
            await runner.generate(replace(ASKED, messages=(Message("user", "word " * 201),)))


def gzipped(length: int) -> bytes:
    body = gzip.compress(b'{"choices": "' + b"x" * length + b'"}')
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


@pytest.mark.parametrize("status", [200, 400])
async def test_an_answer_longer_than_the_limit_is_not_read(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LONGEST_ANSWER", 1 << 20)
    bomb = gzipped(3 << 20).replace(b"200", str(status).encode(), 1)
    error = await failure(lambda _asked: bomb)
    assert type(error) is RequestError
    assert "longer than 1 MiB" in str(error)


@pytest.mark.parametrize(
    ("encoding", "charset"), [("utf-8-sig", ""), ("utf-16", ""), ("utf-32", ""), ("latin-1", "; charset=latin-1")]
)
async def test_an_answer_in_another_encoding_is_read(encoding: str, charset: str) -> None:
    body = json.dumps(chat("é"), ensure_ascii=False).encode(encoding)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json{charset}\r\nContent-Length: {len(body)}\r\n\r\n"
    async with ScriptedServer(lambda _asked: head.encode() + body) as server, runner_at(server.url) as runner:
        assert (await runner.generate(ASKED)).text == "é"


async def test_an_answer_that_is_streamed_unasked_is_not_asked_for_again() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Then: truncate\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    error = await failure(lambda _asked: head + b'data: {"choices": []}\n\ndata: [DONE]\n\n')
    assert type(error) is UnusableAnswer
    assert "streams" in str(error)
