"""Option probabilities: summed over spellings, followed over tokens, bounded where the server told too little."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.answers.option_probabilities import OptionProbabilities, read_option_probabilities
from harness.types import TokenLogprob

CASES = yaml.safe_load((Path(__file__).parent / "option_probability_cases.yaml").read_text(encoding="utf-8"))


def logprob(probability: float) -> float:
    return math.log(probability) if probability > 0 else -9999.0 if probability == 0 else math.nan


def token(word: str, probability: float, top: Mapping[str, float]) -> TokenLogprob:
    return TokenLogprob(word, logprob(probability), tuple((other, logprob(value)) for other, value in top.items()))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_the_tokens_of_an_answer_tell(case: Mapping[str, Any]) -> None:
    known = read_option_probabilities(
        [token(*one) for one in case["tokens"]], case["text"], case["start"], case["labels"]
    )
    if "read" not in case:
        assert known is None
        return
    assert known is not None
    assert known.read == pytest.approx(case["read"], abs=1e-9)
    assert known.unread == pytest.approx(case["unread"], abs=1e-9)
    assert known.missing_mass == pytest.approx(case["missing"], abs=1e-9)
    assert sum(known.probabilities) == pytest.approx(1)


@pytest.mark.parametrize(
    ("unread", "tie", "is_certain"),
    [
        ((0.1, 0.2), 0, True),
        ((0.1, 0.25), 0, False),
        ((0.1, 0.2), 1, False),  # a tie is possible, and the other option wins it
    ],
)
def test_a_best_option_is_certain_only_if_nothing_unread_can_change_it(
    unread: tuple[float, float], tie: int, is_certain: bool
) -> None:
    assert OptionProbabilities((0.5, 0.3), unread, 0.25).is_certain(0, tie) == is_certain


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=5),
    st.lists(st.integers(0, 3), min_size=5, max_size=5),
    st.data(),
)
def test_a_certain_option_stays_the_best_wherever_the_unread_probability_lies(
    masses: list[tuple[int, int]], more: list[int], data: st.DataObject
) -> None:
    read, unread = zip(*masses, strict=True)
    tie = data.draw(st.integers(0, len(masses) - 1))
    known = OptionProbabilities(read, unread, 0.0)
    best = known.best(tie)
    placed = tuple(value + min(*part) for value, part in zip(read, zip(unread, more, strict=False), strict=True))
    if known.is_certain(best, tie):
        assert OptionProbabilities(placed, (0,) * len(placed), 0.0).best(tie) == best


def test_the_tie_winner_is_best_among_equals() -> None:
    known = OptionProbabilities((0.4, 0.4, 0.2), (0.0, 0.0, 0.0), 0.0)
    assert (known.best(tie=1), known.best(tie=2)) == (1, 0)
