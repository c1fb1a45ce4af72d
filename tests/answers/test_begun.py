"""The probability of a list against NONE, read where an answer begins."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from harness.answers.begun import begun_probabilities
from harness.types import TokenLogprob

KINDS = (("NONE",), ("E1 | ", "E12 | ", "Norway | "))


def token(word: str, others: Mapping[str, float], own: float) -> TokenLogprob:
    top = {word: own, **others}
    ranked = sorted(top.items(), key=lambda one: -one[1])
    return TokenLogprob(word, math.log(own), tuple((text, math.log(value)) for text, value in ranked))


@pytest.mark.parametrize(
    ("text", "start", "tokens", "listed"),
    [
        ("NONE", 0, [token("NONE", {"E": 0.15}, 0.6)], 0.2),
        # What begins neither counts for nothing, and other spellings count.
        ("NONE", 0, [token("N", {"E": 0.2, "The": 0.3, "none": 0.1}, 0.4), token("ONE", {"orway": 0.25}, 0.75)], 3 / 7),
        # The space before it belongs to the token, to the one before, or to neither.
        (" E1", 1, [token(" E", {" NONE": 0.25}, 0.75), token("1", {}, 1.0)], 0.75),
        (" E1", 1, [token(" ", {" NONE": 0.1}, 0.9), token("E", {"NONE": 0.5}, 0.5), token("1", {}, 1.0)], 0.45),
        ('{"pairs": []', 11, [token('{"pairs":', {}, 1.0), token(" []", {' [{"': 0.4, " {": 0.2}, 0.4)], 0.5),
        ('{"pairs": [{', 11, [token('{"pairs": ', {}, 1.0), token("[{", {"[]": 0.2}, 0.8)], 0.8),
        ("NONE", 0, [token("Let me think.\n", {}, 1.0), token("NONE", {"E": 0.2}, 0.8)], 0.2),
    ],
)
def test_tokens_that_begin_a_list_count_against_those_that_begin_none(
    text: str, start: int, tokens: list[TokenLogprob], listed: float
) -> None:
    kinds = (("]",), ("{",)) if text.startswith("{") else KINDS
    found = begun_probabilities(tokens, text, start, kinds)
    assert found is not None
    assert found == pytest.approx((1 - listed, listed))


@pytest.mark.parametrize(
    ("text", "tokens", "listed"),
    [
        ("NONE", [token("NONE", {"Ann": 0.4}, 0.6)], 0.4),
        ("NONE", [token("N", {"Ann": 0.4}, 0.6), token("ONE", {"onesuch": 0.5}, 0.5)], 0.7),
        ("NONE", [token("NONE", {"Ann": 0.4}, 0.6), token("<|im_end|>", {" |": 0.1}, 0.9)], 0.46),
        (
            "Nonesuch | Ann",
            [token("None", {"Ann": 0.4}, 0.6), token("such", {"\n": 0.1}, 0.9), token(" | Ann", {}, 1)],
            0.94,
        ),
        (
            "None | Ann",
            [token("None", {"Ann": 0.4}, 0.6), token(" |", {"<|im_end|>": 0.2}, 0.8), token(" Ann", {}, 1)],
            0.88,
        ),
    ],
)
def test_an_entity_whose_name_begins_with_none_is_told_from_none(
    text: str, tokens: list[TokenLogprob], listed: float
) -> None:
    found = begun_probabilities(tokens, text, 0, (("NONE",), ("None | ", "Nonesuch | ", "Ann | ")))
    assert found == pytest.approx((1 - listed, listed))


def test_a_kind_that_was_not_returned_has_no_more_than_the_least_that_was() -> None:
    found = begun_probabilities([token("NONE", {"None": 0.1}, 0.85)], "NONE", 0, KINDS)
    assert found == pytest.approx((0.95, 0.05))
    assert begun_probabilities([token("NONE", {}, 1.0)], "NONE", 0, KINDS) == pytest.approx((1.0, 0.0), abs=1e-9)


def test_without_log_probabilities_or_a_beginning_there_is_nothing_to_read() -> None:
    assert begun_probabilities((), "NONE", 0, KINDS) is None
    assert begun_probabilities([token("Sorry", {"I": 0.5}, 0.5)], "Sorry", 0, KINDS) is None
