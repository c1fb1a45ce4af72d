from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from harness.errors import FatalError
from harness.types import Constraint, Message, ModelSpec, Request, Sampling, Supports, ThinkingBudget
from runners.chat_body import chat_body, chat_messages
from runners.contract import refuse_unsupported
from runners.providers import PROVIDERS

SPEC = ModelSpec("m", "openai_api", "some-model", chat={"enable_thinking": False})
ASKED = Request((Message("system", "Extract."), Message("user", "A text.")), Sampling(max_tokens=50, seed=3))
SCHEMA = Constraint("json_schema", '{"type": "object"}')


def body(provider: str, request: Request = ASKED, model: str = "some-model") -> dict[str, object]:
    return chat_body(request, model, SPEC, PROVIDERS[provider])


def test_a_plain_request_carries_messages_limits_and_seed() -> None:
    assert body("together") == {
        "model": "some-model",
        "messages": [{"role": "system", "content": "Extract."}, {"role": "user", "content": "A text."}],
        "max_tokens": 50,
        "temperature": 0.0,
        "seed": 3_000_000,
    }


@pytest.mark.parametrize("provider", ["openai", "openai-compatible"])
def test_openais_own_types_take_the_body(provider: str) -> None:
    from openai.types.chat.completion_create_params import (
        CompletionCreateParamsBase,
        CompletionCreateParamsNonStreaming,
    )

    sent = body(provider, replace(ASKED, constraint=SCHEMA, top_logprobs=5))
    taken = TypeAdapter(CompletionCreateParamsNonStreaming).validate_python(sent)
    fields = set(CompletionCreateParamsNonStreaming.__annotations__) | set(CompletionCreateParamsBase.__annotations__)
    assert taken["model"] == "some-model"
    assert set(sent) <= fields


def test_repeats_of_a_request_get_the_next_seeds_and_no_two_seeds_have_one_in_common() -> None:
    sent = [
        [body("together", replace(ASKED, repeat=repeat, sampling=Sampling(seed=seed)))["seed"] for repeat in range(4)]
        for seed in (0, 1, 2, 2_147, 10**12, -1)
    ]
    assert sent[:2] == [[0, 1, 2, 3], [1_000_000, 1_000_001, 1_000_002, 1_000_003]]
    assert len({one for of_a_seed in sent for one in of_a_seed}) == 6 * 4
    assert all(isinstance(one, int) and 0 <= one < 2**31 for of_a_seed in sent for one in of_a_seed)


def test_top_p_and_stop_are_sent_only_when_set() -> None:
    sampling = Sampling(top_p=0.9, stop=("\n\n",))
    sent = body("together", replace(ASKED, sampling=sampling))
    assert (sent["top_p"], sent["stop"]) == (0.9, ["\n\n"])


@pytest.mark.parametrize(
    ("provider", "field"),
    [("openai", "max_completion_tokens"), ("groq", "max_completion_tokens"), ("vllm-server", "max_tokens")],
)
def test_the_token_limit_goes_into_the_providers_field(provider: str, field: str) -> None:
    assert body(provider)[field] == 50


@pytest.mark.parametrize(("provider", "field"), [("mistral", "random_seed"), ("gemini", None), ("anthropic", None)])
def test_the_seed_is_renamed_or_left_out_where_it_would_be_refused(provider: str, field: str | None) -> None:
    sent = body(provider)
    assert "seed" not in sent
    assert field is None or sent[field] == 3_000_000


@pytest.mark.parametrize("model", ["o4-mini", "gpt-5-mini"])
def test_reasoning_models_are_sent_no_sampling_parameters(model: str) -> None:
    sent = body("openai", replace(ASKED, sampling=Sampling(temperature=0.5, top_p=0.5)), model)
    assert not {"temperature", "top_p"} & sent.keys()


def test_chat_template_options_reach_only_servers_that_know_them() -> None:
    assert body("vllm-server")["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in body("openai")


def test_a_system_message_is_merged_for_templates_that_refuse_one() -> None:
    spec = replace(SPEC, extra={"system_role": False})
    for sent in (
        chat_body(ASKED, "m", spec, PROVIDERS["vllm-server"]),
        chat_body(ASKED, "m", SPEC, PROVIDERS["vllm-server"], system_role=False),
    ):
        assert sent["messages"] == [{"role": "user", "content": "Extract.\n\nA text."}]


@pytest.mark.parametrize(
    ("roles", "merged"),
    [
        ("system user assistant user", "user assistant user"),
        ("system assistant user", "user assistant user"),
        ("system", "user"),
        ("user assistant user", "user assistant user"),
    ],
)
def test_merging_keeps_the_other_turns_and_loses_no_text(roles: str, merged: str) -> None:
    messages = tuple(Message(role, f"text {number}") for number, role in enumerate(roles.split()))
    sent = chat_messages(messages, SPEC, system_role=False)
    assert " ".join(message["role"] for message in sent) == merged
    assert "\n\n".join(message["content"] for message in sent) == "\n\n".join(one.content for one in messages)


@pytest.mark.parametrize(
    ("provider", "form", "field", "value"),
    [
        ("vllm-server", "regex", "structured_outputs", {"regex": "a+"}),
        ("vllm-server", "lark", "structured_outputs", {"grammar": "a+"}),
        ("llama-server", "gbnf", "grammar", "a+"),
        ("fireworks", "gbnf", "response_format", {"type": "grammar", "grammar": "a+"}),
    ],
)
def test_a_grammar_goes_into_the_fields_of_its_server(provider: str, form: str, field: str, value: object) -> None:
    assert body(provider, replace(ASKED, constraint=Constraint(form, "a+")))[field] == value


@pytest.mark.parametrize("provider", ["openai", "vllm-server", "llama-server", "fireworks", "openrouter"])
def test_a_json_schema_is_strict_everywhere(provider: str) -> None:
    sent = body(provider, replace(ASKED, constraint=SCHEMA))
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "triplets", "strict": True, "schema": {"type": "object"}},
    }


def test_openrouter_may_not_route_a_constrained_request_to_a_host_that_ignores_it() -> None:
    assert body("openrouter", replace(ASKED, constraint=SCHEMA))["provider"] == {"require_parameters": True}
    assert "provider" not in body("openrouter")


BEGUN = replace(ASKED, messages=(*ASKED.messages, Message("assistant", "(E1 |")))


def test_vllm_is_told_to_go_on_with_a_begun_answer() -> None:
    told = {"add_generation_prompt": False, "continue_final_message": True}
    assert told.items() <= body("vllm-server", BEGUN).items()
    assert not told.keys() & body("vllm-server").keys()
    assert not told.keys() & body("llama-server", BEGUN).keys()
    assert body("llama-server", BEGUN)["messages"][-1] == {"role": "assistant", "content": "(E1 |"}  # type: ignore[index]


def test_the_effort_of_thinking_goes_where_the_server_reads_it() -> None:
    asked = replace(ASKED, sampling=replace(ASKED.sampling, reasoning_effort="low"))
    assert body("openai", asked)["reasoning_effort"] == body("vllm-server", asked)["reasoning_effort"] == "low"
    llama = body("llama-server", asked)
    assert "reasoning_effort" not in llama
    assert llama["chat_template_kwargs"] == {**SPEC.chat, "reasoning_effort": "low"}
    assert "reasoning_effort" not in body("openai")


def test_a_budget_for_thinking_goes_where_the_server_reads_it() -> None:
    asked = replace(ASKED, sampling=replace(ASKED.sampling, thinking_tokens=2000))
    none = replace(ASKED, sampling=replace(ASKED.sampling, thinking_tokens=0))
    assert body("vllm-server", asked)["thinking_token_budget"] == 2000
    assert body("llama-server", asked)["thinking_budget_tokens"] == 2000
    assert body("openrouter", asked)["reasoning"] == {"max_tokens": 2000}
    assert body("openrouter", none)["reasoning"] == {"enabled": False}
    assert body("anthropic", asked)["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert body("anthropic", none)["thinking"] == {"type": "disabled"}
    gemini = body("gemini", asked)["extra_body"]
    assert gemini == {"google": {"thinking_config": {"thinking_budget": 2000}}}
    named = ["thinking_token_budget", "thinking_budget_tokens", "reasoning", "thinking", "extra_body"]
    assert not [name for provider in PROVIDERS for name in named if name in body(provider)]


@pytest.mark.parametrize("provider", ["vllm-server", "llama-server"])
def test_a_template_that_can_switch_thinking_off_is_told_to_think_with_a_budget(provider: str) -> None:
    spec = replace(SPEC, chat={"enable_thinking": False, "other": 1})

    def template(tokens: int | None) -> object:
        asked = replace(ASKED, sampling=replace(ASKED.sampling, thinking_tokens=tokens))
        return chat_body(asked, "m", spec, PROVIDERS[provider])["chat_template_kwargs"]

    assert template(None) == template(0) == spec.chat
    assert template(512) == {"enable_thinking": True, "other": 1}


def test_a_model_that_takes_no_budget_for_thinking_refuses() -> None:
    asked = replace(ASKED, sampling=replace(ASKED.sampling, thinking_tokens=512))
    with pytest.raises(FatalError, match="leave out --thinking-tokens"):
        refuse_unsupported("m", Supports(), asked)
    refuse_unsupported("m", Supports(thinking=ThinkingBudget()), asked)


def test_a_model_that_cannot_be_told_how_much_to_think_refuses() -> None:
    asked = replace(ASKED, sampling=replace(ASKED.sampling, reasoning_effort="low"))
    with pytest.raises(FatalError, match="leave out --reasoning-effort"):
        refuse_unsupported("m", Supports(), asked)
    refuse_unsupported("m", Supports(takes_effort=True), asked)
