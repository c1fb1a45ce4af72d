"""Scores of listed triplets: which tokens spell one, in lines, groups and JSON, and what has none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.answers.triplet_scores import triplet_scores
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.methods.table import create_method
from harness.types import Completion, GrammarForm, RawTriplet, Request, TokenLogprob
from tests.variants import extract, settings_of

SAMPLE = load_dataset("sample")


def tokens(*pieces: tuple[str, float]) -> list[TokenLogprob]:
    return [TokenLogprob(text, math.log(probability)) for text, probability in pieces]


def rounded(spelt: Sequence[TokenLogprob], text: str | None = None) -> dict[tuple[str, ...], float]:
    written = "".join(token.token for token in spelt) if text is None else text
    return {tuple(one): round(score, 4) for one, score in triplet_scores(written, spelt).items()}


def test_a_line_has_the_mean_of_its_tokens() -> None:
    lines = tokens(("(E1", 0.5), (" | r |", 0.2), (" E", 1.0), ("2", 0.4), (")\n", 1.0), ("(E1 | s | E2)\nEND", 0.25))
    assert rounded(lines) == {("E1", "r", "E2"): round((0.5 * 0.2 * 0.4) ** 0.2, 4), ("E1", "s", "E2"): 0.25}


def test_sentences_named_for_a_triplet_are_no_part_of_it() -> None:
    assert rounded(tokens(("(E1 | r | E2", 0.5), (" | 0, 3", 0.1), (")\nEND", 0.1))) == {
        ("E1", "r", "E2"): round((0.5 * 0.1) ** 0.5, 4)
    }, "the mark after the tail is, since E2 might have become E23"


def test_in_groups_head_and_relation_count_for_each_tail() -> None:
    grouped = tokens(("E1\n", 0.9), ("- r", 0.5), (" | E2", 0.8), (" | E3", 0.2), ("\n- s | E2\n", 0.3), ("END", 1.0))
    found = rounded(grouped)
    assert found["E1", "r", "E2"] == round((0.9 * 0.5 * 0.8 * 0.2) ** (1 / 4), 4)
    assert found["E1", "r", "E3"] == round((0.9 * 0.5 * 0.2 * 0.3) ** (1 / 4), 4)
    assert found["E1", "s", "E2"] == round((0.9 * 0.3) ** (1 / 2), 4)


def test_objects_of_json_are_scored() -> None:
    pieces = tokens(('{"triplets": [{', 0.9), ('"head": "E1", "relation": "a \\"b\\"",', 0.5), (' "tail": "E2"}', 0.5))
    assert rounded(pieces) == {("E1", 'a "b"', "E2"): 0.5}


def test_tokens_that_spell_another_text_give_no_scores() -> None:
    assert rounded(tokens(("(E1 | r | �", 0.5)), "(E1 | r | é)") == {}
    assert rounded([], "(E1 | r | E2)") == {}


@pytest.mark.parametrize("prompt", ["tagged", "grouped", "compact", "pairwise", "rhf"])
@pytest.mark.parametrize("form", ["gbnf", "json_schema"])
@pytest.mark.parametrize("reasoning", ["none", "brief"])
async def test_every_triplet_of_a_perfect_answer_has_a_score(prompt: str, form: GrammarForm, reasoning: str) -> None:
    if form == "json_schema" and prompt in ("grouped", "compact"):
        pytest.skip("groups in JSON have no scores")
    document = next(iter(SAMPLE.documents))
    settings = settings_of(prompt, SAMPLE.schema, form, scores="tokens", reasoning=reasoning)
    settings = replace(settings, max_top_logprobs=20)
    method = create_method(settings)
    answers = {one.request: one.answer for one in method.demonstrate(document)}

    def answer(request: Request) -> Completion:
        text = answers[request]
        return Completion(text, "stop", logprobs=tuple(TokenLogprob(one, math.log(0.5)) for one in text))

    extraction, requests = await extract(method, document, answer)
    assert {one.triplet for one in extraction.predictions} == {label.triplet for label in document.labels}
    assert [one.score for one in extraction.predictions] == pytest.approx([0.5] * len(extraction.predictions))
    assert {request.top_logprobs for request in requests} == {1}
    strict = create_method(replace(settings, options={**settings.options, "least_score": "51"}))
    assert (await extract(strict, document, answer))[0].predictions == ()


@pytest.mark.parametrize(("prompt", "most"), [("judge", 20), ("tagged", 0)])
def test_what_has_no_probabilities_is_refused(prompt: str, most: int) -> None:
    settings = settings_of(prompt, SAMPLE.schema, "gbnf", scores="tokens")
    with pytest.raises(InputError, match=r"use a prompt of tagged, grouped, .*, and a model that gives them"):
        create_method(replace(settings, max_top_logprobs=most))


@pytest.mark.parametrize("prompt", ["grouped", "compact", "relation-pairs"])
def test_groups_in_json_have_no_scores_and_are_refused(prompt: str) -> None:
    settings = replace(settings_of(prompt, SAMPLE.schema, "json_schema", scores="tokens"), max_top_logprobs=20)
    with pytest.raises(InputError, match="answered by groups, which have no scores in JSON: use --constrain none"):
        create_method(settings)


def test_a_triplet_is_known_by_its_text() -> None:
    assert triplet_scores("(E\\|1 | r | E2)\n", tokens(("(E\\|1 | r | E2)\n", 0.5))) == {
        RawTriplet("E|1", "r", "E2"): 0.5
    }
