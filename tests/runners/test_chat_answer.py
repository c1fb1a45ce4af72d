"""Every answer of a server becomes a completion that can be stored, or an error of the runners."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from harness.errors import ContextOverflow, RetryableError
from harness.types import Completion, Constraint, Message, Request, Sampling
from runners.chat_answer import UnusableAnswer, read_completion, split_thinking
from tests.runners.scripted_server import chat

ASKED = Request((Message("system", "Extract."), Message("user", "A text.")), Sampling(max_tokens=50, seed=3))
SCHEMA = Constraint("json_schema", '{"type": "object"}')


def read(answer: object, request: Request = ASKED) -> Completion:
    return read_completion(answer, request, 0.5)


@pytest.mark.parametrize(
    ("sent", "understood"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "stop"),
        ("STOP", "stop"),
        ("COMPLETE", "stop"),
        ("end_turn", "stop"),
        ("eos_token", "stop"),
        ("FinishReason.STOP", "stop"),
        ("stop-token", "stop"),
        ("MAX_TOKENS", "length"),
        ("FINISH_REASON_MAX_TOKENS", "length"),
        ("max_output_tokens", "length"),
        ("LENGTH", "length"),
        ("model_length", "length"),
        ("maxTokens", "length"),
        ("token_limit", "length"),
        ("limit", "length"),
        ("ERROR_LIMIT", "length"),
        ("incomplete", "length"),
        ("output length exceeded", "length"),
        ({"type": "length", "length": 50}, "length"),
        ("SAFETY", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("ERROR_TOXIC", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("refusal", "content_filter"),
        ("sensitive", "content_filter"),
        ("content_filter: RECITATION", "content_filter"),
        ("unsafe_output", "content_filter"),
        (None, "unknown"),
        ("", "unknown"),
        ("null", "unknown"),
        ("OTHER", "unknown"),
        ("FINISH_REASON_UNSPECIFIED", "unknown"),
        ("zzz", "unknown"),
        (7, "unknown"),
    ],
)
def test_finish_reasons_are_mapped(sent: Any, understood: str) -> None:
    assert read(chat("hi", sent)).finish_reason == understood


def test_another_services_field_tells_where_the_usual_one_does_not() -> None:
    answer = chat("hi", None)  # type: ignore[arg-type]
    answer["choices"][0]["native_finish_reason"] = "MAX_TOKENS"  # type: ignore[index]
    assert read(answer).finish_reason == "length"


@pytest.mark.parametrize("reason", ["error", "abort", "insufficient_system_resource", "USER_CANCEL", "network_error"])
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


@pytest.mark.parametrize("constrained", [False, True])
def test_thinking_before_a_grammar_that_was_passed_over_is_no_part_of_the_answer(constrained: bool) -> None:
    opened_by_the_template = "(E3 | country | E4) perhaps.\n</think>\n\n(E1 | country | E2)\nEND"
    split = split_thinking(opened_by_the_template, constrained=constrained)
    assert split == ("(E1 | country | E2)\nEND", "(E3 | country | E4) perhaps.")
    for opening, closing in (("<thinking>", "</thinking>"), ("<thought>", "</thought>"), ("[THINK]", "[/THINK]")):
        assert split_thinking(f"{opening}Hm.{closing}END", constrained=constrained) == ("END", "Hm.")
        assert split_thinking(f"{opening}Hm, and cut", constrained=constrained) == ("", "Hm, and cut")


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


def choice(**fields: object) -> dict[str, object]:
    return {"choices": [{"finish_reason": "stop", **fields}]}


@pytest.mark.parametrize(
    "answer",
    [
        chat(["EN", "D"]),  # type: ignore[arg-type]
        chat({"text": "END"}),  # type: ignore[arg-type]
        chat({"type": "text", "text": {"value": "END"}}),  # type: ignore[arg-type]
        chat([{"type": "output_text", "text": "EN"}, "D"]),  # type: ignore[arg-type]
        chat([{"type": "reasoning", "text": "Hm."}, {"content": "END"}]),  # type: ignore[arg-type]
        choice(text="END"),
        choice(text="END", message={"role": "assistant", "content": None}),
    ],
)
def test_the_text_is_read_in_whatever_shape_it_comes(answer: object) -> None:
    assert read(answer).text == "END"


def test_a_refusal_among_the_parts_is_kept_apart() -> None:
    completion = read(chat([{"type": "refusal", "refusal": "I cannot."}]))  # type: ignore[arg-type]
    assert (completion.text, completion.refusal) == ("", "I cannot.")
    assert read(chat(None, refusal={"reason": "x"})).refusal == '{"reason": "x"}'


@pytest.mark.parametrize(
    ("answer", "named", "kind"),
    [
        (chat(None, "tool_calls", tool_calls=[{"function": {"name": "f"}}]), "tool_calls: the model called", "retried"),
        (chat(None, function_call={"name": "f"}), "function_call: the model called a tool", "retried"),
        (choice(delta={"content": "END"}), "a delta, which is a piece of a stream.*END", "final"),
        (chat(None, audio={"data": "x"}), "audio: .*data", "retried"),
        (chat(42), "content: .*42", "retried"),  # type: ignore[arg-type]
    ],
)
def test_an_empty_message_names_what_came_in_its_place(answer: object, named: str, kind: str) -> None:
    with pytest.raises(UnusableAnswer if kind == "final" else RetryableError, match=f"an empty message and {named}"):
        read(answer)


def test_a_body_without_a_choice_is_quoted() -> None:
    with pytest.raises(RetryableError, match=r'holds no choice: {"status": "queued"}'):
        read({"status": "queued"})


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
    assert token.top == (("A", -0.1), ("B", -math.inf))


def test_missing_log_probabilities_are_an_error_when_they_were_asked_for() -> None:
    with pytest.raises(UnusableAnswer, match=r"log-probabilities.*-P logprobs=0"):
        read(chat("A"), replace(ASKED, top_logprobs=2))


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("constraint", [None, SCHEMA])
def test_an_answer_that_came_as_reasoning_is_told_with_the_option_that_helps(
    field: str, constraint: Constraint | None
) -> None:
    with pytest.raises(UnusableAnswer, match=r"'(the answer)'.*chat_template_kwargs"):
        read(chat(None, **{field: "the answer"}), replace(ASKED, constraint=constraint))


def usage(prompt_tokens: object, **more: object) -> dict[str, object]:
    return chat("END") | {"usage": {"prompt_tokens": prompt_tokens, "completion_tokens": 5, **more}}


@pytest.mark.parametrize(
    ("count", "read_as"),
    [
        (600, 600),
        (600.0, 600),
        ("600", 600),
        (True, 0),
        (-5, 0),
        (None, 0),
        ([600], 0),
        (10**25, 0),
        (10**400, 0),
        (math.inf, 0),
        (math.nan, 0),
        ("many", 0),
    ],
)
def test_a_count_of_tokens_is_a_whole_number_or_none(count: object, read_as: int) -> None:
    assert read(usage(count)).usage.prompt_tokens == read_as


LONG = Request((Message("system", "Extract."), Message("user", "Anna Smith was born in Rome , Italy . " * 1300)))


@pytest.mark.parametrize("count", [2048, 2050, 4096, 4098, 8191])
def test_a_prompt_that_was_cut_to_a_context_or_half_of_it_is_an_overflow(count: int) -> None:
    with pytest.raises(ContextOverflow, match=f"read {count:,} tokens of a prompt of 49,408 characters.*num_ctx"):
        read(usage(count), LONG)


@pytest.mark.parametrize("count", [300, 1700, 3000])
def test_so_few_tokens_for_so_many_characters_are_an_overflow_whatever_their_number(count: int) -> None:
    with pytest.raises(ContextOverflow):
        read(usage(count), LONG)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(usage(11700), id="as many as a tokenizer finds"),
        pytest.param(usage(12288), id="as many, and a round number"),
        pytest.param(usage(2048, prompt_tokens_details={"cached_tokens": 10000}), id="the rest was cached"),
        pytest.param(usage(2048, cache_read_input_tokens=10000), id="the rest was cached, in Anthropic's words"),
        pytest.param(usage(2048) | {"timings": {"cache_n": 10000}}, id="the rest was cached, in llama.cpp's words"),
        pytest.param(usage(7), id="a number that stands for nothing"),
        pytest.param(usage(None), id="no number"),
    ],
)
def test_a_prompt_that_was_read_whole_is_no_overflow(answer: dict[str, object]) -> None:
    assert read(answer, LONG).text == "END"


@pytest.mark.parametrize("text", ["-" * 40000, "\n \n" * 9000, "東京" * 900, "a b c " * 200])
def test_runs_of_signs_and_other_scripts_are_no_cut_prompt(text: str) -> None:
    assert read(usage(1024), Request((Message("user", text),))).text == "END"


def test_a_token_without_alternatives_is_no_probability() -> None:
    answer: Any = chat("A")
    answer["choices"][0]["logprobs"] = {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": []}]}
    with pytest.raises(UnusableAnswer, match=r"no log-probabilities of alternatives.*-P logprobs=0"):
        read(answer, replace(ASKED, top_logprobs=2))
    assert read(answer).text == "A"


@pytest.mark.parametrize(("text", "tokens", "is_told"), [("关系", 1, True), ("关系", 8, False), ("is", 1, False)])
def test_one_token_of_another_script_may_be_a_part_of_a_character(text: str, tokens: int, is_told: bool) -> None:
    asked = Request((Message("user", text),), Sampling(max_tokens=tokens), top_logprobs=2)
    with pytest.raises(UnusableAnswer) as caught:
        read(chat("A"), asked)
    assert ("a character of this script in several tokens" in str(caught.value)) == is_told


def test_the_first_choice_is_that_of_index_0() -> None:
    first: Any = chat("A whole answer.")
    other: Any = chat("")
    other["choices"][0]["index"], first["choices"][0]["index"] = 1, 0
    assert read({"choices": [*other["choices"], *first["choices"]]}).text == "A whole answer."


def test_thinking_that_never_ends_is_no_fault_of_a_parser() -> None:
    with pytest.raises(UnusableAnswer, match="thinking and no answer after it") as raised:
        read(chat("<think>Hm, hm."), replace(ASKED, constraint=SCHEMA))
    assert "parser" not in str(raised.value)
