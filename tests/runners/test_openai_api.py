from __future__ import annotations

import pytest

from harness.errors import FatalError, InputError, ModelUnavailable
from harness.types import Constraint, Message, ModelSpec, Request, RunnerOptions
from runners.openai_api import OpenAIApiRunner
from runners.providers import PROVIDERS, Provider
from tests.runners.scripted_server import ScriptedServer, chat, http

ASKED = Request((Message("user", "A text."),))


def runner_of(provider: str, base_url: str | None = None, model: str = "some-model", **extra: str) -> OpenAIApiRunner:
    spec = ModelSpec("m", "openai_api", model, provider=provider)
    return OpenAIApiRunner(spec, RunnerOptions(base_url=base_url, extra=extra))


@pytest.mark.parametrize("provider", [p for p in PROVIDERS.values() if p.key_env], ids=lambda p: p.name)
def test_a_missing_key_names_its_variable_and_a_model_that_needs_none(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(provider.key_env, raising=False)
    base_url = None if provider.base_url else "https://server.test/v1"
    with pytest.raises(ModelUnavailable) as raised:
        runner_of(provider.name, base_url).check()
    assert f"${provider.key_env}" in str(raised.value)
    assert "--model smollm2-135m" in str(raised.value)
    runner_of(provider.name, "http://127.0.0.1:8000/v1").check()
    monkeypatch.setenv(provider.key_env, "anything")
    runner_of(provider.name, base_url).check()


@pytest.mark.parametrize("provider", ["ollama", "lmstudio", "llama-server", "vllm-server"])
def test_local_servers_need_no_key(provider: str) -> None:
    runner_of(provider).check()


def test_a_server_of_ones_own_needs_its_address() -> None:
    with pytest.raises(ModelUnavailable, match="--base-url"):
        runner_of("openai-compatible").check()
    runner_of("", "http://127.0.0.1:9/v1").check()


def test_an_unknown_provider_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'opnai'.*openai"):
        runner_of("opnai")


@pytest.mark.parametrize(
    ("form", "field", "value"),
    [
        ("regex", "structured_outputs", {"regex": "a"}),
        ("lark", "structured_outputs", {"grammar": "a"}),
        ("gbnf", "grammar", "a"),
    ],
)
async def test_the_user_may_say_which_grammar_a_server_honours(form: str, field: str, value: object) -> None:
    async with (
        ScriptedServer(lambda _asked: http(chat("a"))) as server,
        runner_of("", server.url, constrain_with=form) as runner,
    ):
        assert runner.supports.forms == (form,)
        await runner.generate(Request(ASKED.messages, constraint=Constraint(form, "a")))
    assert server.asked[0].body[field] == value


async def test_a_server_said_to_honour_nothing_gets_no_constraint() -> None:
    runner = runner_of("", "http://127.0.0.1:9/v1", constrain_with="none")
    with pytest.raises(FatalError, match="--constrain none"):
        await runner.generate(Request(ASKED.messages, constraint=Constraint("regex", "a")))


def test_a_form_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="constrain_with=xml"):
        runner_of("", "http://127.0.0.1:9/v1", constrain_with="xml")


@pytest.mark.parametrize(
    ("extra", "variable", "sent"),
    [({}, "OPENAI_API_KEY", "sk-a"), ({"key_env": "MY_KEY"}, "MY_KEY", "sk-b"), ({}, "UNRELATED", "")],
)
async def test_the_key_comes_from_its_variable(
    extra: dict[str, str], variable: str, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv(variable, sent or "sk-c")
    async with ScriptedServer(lambda _asked: http(chat())) as server, runner_of("", server.url, **extra) as runner:
        await runner.generate(ASKED)
    assert server.asked[0].headers.get("authorization", "") == (f"bearer {sent}" if sent else "")


@pytest.mark.parametrize("provider", ["ollama", "lmstudio", "llama-server", "vllm-server"])
def test_openais_key_is_offered_to_no_server_that_the_user_did_not_name(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a")
    assert runner_of(provider)._api_key() == "none"
    assert runner_of(provider, "http://127.0.0.1:9/v1")._api_key() == "sk-a"
    assert runner_of(provider, "http://127.0.0.1:9/v1", key_env="")._api_key() == "none"


def test_models_with_fixed_sampling_offer_no_log_probabilities() -> None:
    assert runner_of("openai", model="gpt-4o").supports.max_top_logprobs == 20
    assert runner_of("openai", model="o4-mini").supports.max_top_logprobs == 0


@pytest.mark.parametrize(("owner", "told"), [("vllm", "--model vllm/some-model"), ("me", "")])
async def test_a_server_that_can_do_more_than_any_api_is_told_how_it_is_asked_for_it(
    owner: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    listing = {"data": [{"id": "some-model", "owned_by": owner, "max_model_len": 4096}]}
    async with (
        ScriptedServer(lambda _asked: http(chat("a")), tells={"/v1/models": listing}) as server,
        runner_of("", server.url) as runner,
    ):
        for _ in range(2):
            await runner.probe(ASKED)
    assert [told in record.message for record in caplog.records] == ([True] if told else [])
