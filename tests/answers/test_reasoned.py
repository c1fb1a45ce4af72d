"""Answers that reason first: what engines admit, what is kept apart, and what perfect answers give."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import pytest

from harness.answers.option import Option, OptionForm
from harness.answers.reasoned import REASONING_WORDS, STATED, WORD_CHARACTERS, ReasonedForm
from harness.answers.triplets import TripletForm
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.methods.table import create_method
from harness.types import Completion, GrammarForm, RawTriplet, TokenLogprob
from tests.judges import judges
from tests.variants import VARIANTS, extract, kind_of, settings_of

FORMS: tuple[GrammarForm, ...] = get_args(GrammarForm)
TRIPLETS = [RawTriplet("E1", "spouse", "E2")]
LISTING = ReasonedForm(TripletForm(("E1", "E2"), ("spouse", "child"), "closed", 4))
OPTIONS = ReasonedForm(OptionForm((Option("A"), Option("B"))))
# 150 characters, as the prompt allows, without a space.
CHINESE = ("第2句说E1是E2（当时的首都）的市长，任期五年；他的妻子E3：“生于1867年”、卒于1934年？" * 4)[:147] + "两者。"
REASONING = [name for name in VARIANTS if not kind_of(name).ranks_candidates]


@pytest.mark.parametrize("form", FORMS)
def test_engines_admit_one_line_of_reasoning_and_then_the_answer(form: GrammarForm) -> None:
    output = "json" if form == "json_schema" else "lines"
    whole, alone = LISTING.write(TRIPLETS, output), LISTING.answer.write(TRIPLETS, output)
    admitted = {whole: True, alone: False}
    if output == "lines":
        lines = "(E1 | spouse | E2)\nEND"
        long = " ".join(["è" * WORD_CHARACTERS] * REASONING_WORDS)
        admitted |= {
            f"Reasoning: {long}\nAnswer:\n{lines}": True,
            f"Reasoning: {long} è\nAnswer:\n{lines}": form == "regex",
            f"Reasoning: {'è' * (WORD_CHARACTERS + 1)}\nAnswer:\n{lines}": form == "regex",
            f"Reasoning: {CHINESE}\nAnswer:\n{lines}": True,
            f"Reasoning: {CHINESE}。\nAnswer:\n{lines}": False,
            f"Reasoning: one\ntwo\nAnswer:\n{lines}": False,
            f"Reasoning: one  two\nAnswer:\n{lines}": False,
            f"Reasoning: \nAnswer:\n{lines}": False,
            "Reasoning: one\nAnswer:\nE1 is married": False,
        }
    for judge in judges(LISTING.render(form)).values():
        assert {answer: judge(answer) for answer in admitted} == admitted
    apart = LISTING.apart(Completion(whole, "stop"))
    assert (apart.text, apart.reasoning) == (alone, STATED)
    assert LISTING.read(Completion(whole, "stop")).entries == tuple(TRIPLETS)


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("Reasoning: Answer: none\nAnswer:\nEND", "END", "Answer: none"),
        ("They married.\n\n**Answer:**\n(E1 | spouse | E2)\nEND", "(E1 | spouse | E2)\nEND", "They married."),
        ("**Reasoning:** They met.\n(E1 | spouse | E2)", "(E1 | spouse | E2)", "They met."),
        ("reasoning: they met and", "", "they met and"),
        ("Reasoning: They met. Answer: (E1 | spouse | E2)\nEND", "(E1 | spouse | E2)\nEND", "They met."),
        ("Reasoning: No answer: they met. **Final answer:** END", "END", "No answer: they met. **"),
        ("Reasoning: the Answer: follows.\nAnswer:\nEND", "END", "the Answer: follows."),
        ("(E1 | spouse | E2)\nEND", "(E1 | spouse | E2)\nEND", ""),
        ('```json\n{"reasoning": "a \\"b\\"", "triplets": []}', '{"triplets": []}', 'a "b"'),
        ('{"reasoning": "they met an', "", "they met an"),
        ('{"triplets": []}', '{"triplets": []}', ""),
    ],
)
def test_reasoning_is_told_from_the_answer_however_it_is_written(text: str, answer: str, reasoning: str) -> None:
    apart = LISTING.apart(Completion(text, "stop"))
    assert (apart.text, apart.reasoning) == (answer, reasoning)


def test_thinking_of_the_server_stays_before_the_reasoning() -> None:
    apart = LISTING.apart(Completion("Reasoning: b\nAnswer:\nEND", "stop", reasoning="a"))
    assert apart.reasoning == "a\nb"


def test_an_answer_that_is_cut_while_it_reasons_says_so() -> None:
    cut = Completion("Reasoning: they met and", "length")
    status, error = LISTING.status(cut, LISTING.read(cut))
    assert (status, error) == ("truncated", "the answer reached its token limit while still thinking")


@pytest.mark.parametrize(
    "words",
    [
        ["Reason", "ing", ": B or", " A", "\n", "Answer", ":\n", "B"],
        ["Reasoning: A\nAnswer", ":", "\nB"],
        ['{"', "reasoning", '": "', "A or B", '", "', "answer", '": "', "B", '"}'],
    ],
)
def test_probabilities_are_read_where_the_answer_is_not_where_it_reasons(words: list[str]) -> None:
    top = ((words[words.index("B")] if "B" in words else "\nB", math.log(0.7)), ("A", math.log(0.2)))
    tokens = tuple(
        TokenLogprob(word, math.log(0.7), top) if word.strip() == "B" else TokenLogprob(word, 0.0, ((word, 0.0),))
        for word in words
    )
    reading = OPTIONS.read(Completion("".join(words), "stop", logprobs=tokens))
    assert reading.option == 1
    assert reading.probabilities
    assert reading.probabilities.read == pytest.approx((0.2, 0.7))


@pytest.mark.parametrize("form", ["lark", "json_schema"])  # the two notations of an answer
@pytest.mark.parametrize("prompt", REASONING)
async def test_perfect_answers_that_reason_come_back_whole_in_every_prompt(prompt: str, form: GrammarForm) -> None:
    if form not in kind_of(prompt).forms:
        return
    dataset = load_dataset("sample")
    more = {"options": "25", "labels": "several"} if prompt == "choice" else {}
    method = create_method(settings_of(prompt, dataset.schema, form, reasoning="brief", **more))
    document = next(iter(dataset.documents))
    answers = {one.request: one.answer for one in method.demonstrate(document)}
    extraction, requests = await extract(method, document, lambda request: Completion(answers[request], "stop"))
    assert extraction.status == "ok"
    assert not extraction.rejects
    found = {one.triplet for one in extraction.predictions}
    gold = {label.triplet for label in document.labels}
    # One option a pair: where a pair has two relations, one is found.
    assert (
        found == gold
        if prompt not in ("choice", "statements", "single-choice")
        else {one[::2] for one in found} == {one[::2] for one in gold}
    )
    assert {step.completion.reasoning for step in extraction.steps} == {STATED}
    assert all("Reasoning" not in step.completion.text for step in extraction.steps)
    asked = "reasoning" if form == "json_schema" else "Reasoning:"
    assert all(asked in request.messages[-1].content for request in requests)


def test_prompts_of_one_token_and_worked_examples_refuse_reasoning() -> None:
    dataset = load_dataset("sample")
    with pytest.raises(InputError, match="one token"):
        create_method(settings_of("hrt", dataset.schema, reasoning="brief"))
    shown = settings_of("tagged", dataset.schema, reasoning="brief")
    with pytest.raises(InputError, match="leave out --shots"):
        create_method(replace(shown, shots=tuple(dataset.documents)[:1]))
