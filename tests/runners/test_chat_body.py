from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.errors import RequestError, RetryableError
from harness.types import Completion, Constraint, Message, ModelSpec, Request, Sampling
from runners.chat_body import IMPOSSIBLE_LOGPROB, chat_body, read_completion, split_thinking
from runners.providers import PROVIDERS
from tests.runners.scripted_server import chat

SPEC = ModelSpec("m", "openai_api", "some-model", chat={"enable_thinking": False})
ASKED = Request((Message("system", "Extract."), Message("user", "A text.")), Sampling(max_tokens=50, seed=3))
SCHEMA = Constraint("json_schema", '{"type": "object"}')


def body(provider: str, request: Request = ASKED, model: str = "some-model") -> dict[str, object]:
    return chat_body(request, model, SPEC, PROVIDERS[provider])


def read(answer: object, request: Request = ASKED) -> Completion:
    return read_completion(answer, request, 0.5)


def test_a_plain_request_carries_messages_limits_and_seed() -> None:
    assert body("together") == {
        "model": "some-model",
        "messages": [{"role": "system", "content": "Extract."}, {"role": "user", "content": "A text."}],
        "max_tokens": 50,
        "temperature": 0.0,
        "seed": 3,
    }


def test_repeats_of_a_request_get_different_seeds() -> None:
    assert body("together", replace(ASKED, repeat=2))["seed"] == 5


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
    assert field is None or sent[field] == 3


@pytest.mark.parametrize("model", ["o4-mini", "gpt-5-mini"])
def test_reasoning_models_are_sent_no_sampling_parameters(model: str) -> None:
    sent = body("openai", replace(ASKED, sampling=Sampling(temperature=0.5, top_p=0.5)), model)
    assert not {"temperature", "top_p"} & sent.keys()


def test_chat_template_options_reach_only_servers_that_know_them() -> None:
    assert body("vllm-server")["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in body("openai")


def test_a_system_message_is_merged_for_templates_that_refuse_one() -> None:
    spec = replace(SPEC, extra={"system_role": False})
    sent = chat_body(ASKED, "m", spec, PROVIDERS["vllm-server"])
    assert sent["messages"] == [{"role": "user", "content": "Extract.\n\nA text."}]


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


@pytest.mark.parametrize(
    ("sent", "understood"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "stop"),
        (None, "stop"),
    ],
)
def test_finish_reasons_are_mapped(sent: str, understood: str) -> None:
    assert read(chat("hi", sent)).finish_reason == understood


@pytest.mark.parametrize("reason", ["error", "abort", "insufficient_system_resource"])
def test_an_answer_that_the_server_gave_up_on_is_retried(reason: str) -> None:
    with pytest.raises(RetryableError, match=reason):
        read(chat("half an ans", reason))


def test_a_refusal_is_kept_apart_from_the_text() -> None:
    completion = read(chat(None, refusal="I cannot do that."))
    assert (completion.text, completion.refusal) == ("", "I cannot do that.")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_sent_apart_stays_apart(field: str) -> None:
    completion = read(chat("END", **{field: "Let me see."}))
    assert (completion.text, completion.reasoning) == ("END", "Let me see.")


def test_typed_parts_are_split_into_text_and_reasoning() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "END"},
    ]
    completion = read(chat() | {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]})
    assert (completion.text, completion.reasoning) == ("END", "Hm.")


@pytest.mark.parametrize(
    ("text", "answer", "thinking"),
    [
        ("<think>\nHm.\n</think>\n\nEND", "END", "Hm."),
        ("\n<think>cut off in mid-though", "", "cut off in mid-though"),
        ("opened by the template</think>END", "END", "opened by the template"),
        ("END", "END", ""),
        ("(a| says <think>| b)", "(a| says <think>| b)", ""),
    ],
)
def test_inline_thinking_is_split_off(text: str, answer: str, thinking: str) -> None:
    assert split_thinking(text) == (answer, thinking)


def test_a_constrained_answer_may_hold_a_closing_tag() -> None:
    assert split_thinking("(a</think>| r| b)", constrained=True) == ("(a</think>| r| b)", "")


def test_truncated_thinking_leaves_no_text() -> None:
    completion = read(chat("<think>and then", "length"))
    assert (completion.text, completion.finish_reason) == ("", "length")


@pytest.mark.parametrize(
    "answer",
    [{}, [], None, {"choices": []}, {"choices": None}, {"choices": ["x"]}, chat(None)],
)
def test_a_body_without_an_answer_is_retried(answer: object) -> None:
    with pytest.raises(RetryableError):
        read(answer)


def test_empty_text_answers_a_free_request_but_not_a_constrained_one() -> None:
    assert read(chat("")).text == ""
    with pytest.raises(RetryableError, match="empty"):
        read(chat(""), replace(ASKED, constraint=SCHEMA))


@pytest.mark.parametrize(
    ("extra", "cached"),
    [
        ({"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}}, 4),
        ({"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 5}}, 5),
        ({"timings": {"cache_n": 6}}, 6),
        ({"usage": {"prompt_tokens": 9, "prompt_tokens_details": None}}, None),
        ({"usage": None}, None),
    ],
)
def test_cached_tokens_are_read_from_every_dialect(extra: dict[str, object], cached: int | None) -> None:
    assert read(chat() | extra).usage.cached_tokens == cached


def test_log_probabilities_are_read_and_a_masked_token_stays_a_number() -> None:
    answer = json.loads(json.dumps(chat("A")))
    answer["choices"][0]["logprobs"] = {
        "content": [
            {
                "token": "A",
                "logprob": -0.1,
                "top_logprobs": [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": None}],
            }
        ]
    }
    (token,) = read(answer, replace(ASKED, top_logprobs=2)).logprobs
    assert (token.token, token.logprob) == ("A", -0.1)
    assert token.top == (("A", -0.1), ("B", IMPOSSIBLE_LOGPROB))


def test_missing_log_probabilities_are_an_error_when_they_were_asked_for() -> None:
    with pytest.raises(RequestError, match="log-probabilities"):
        read(chat("A"), replace(ASKED, top_logprobs=2))
