"""Option probabilities: summed over spellings, followed over tokens, bounded where the server told too little."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.methods.option_probabilities import OptionProbabilities, read_option_probabilities
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


def test_a_best_option_is_certain_only_if_nothing_unread_can_exceed_it() -> None:
    assert OptionProbabilities((0.5, 0.3), (0.1, 0.2), 0.2).is_certain(0)
    assert not OptionProbabilities((0.5, 0.3), (0.1, 0.21), 0.21).is_certain(0)


def test_the_tie_winner_is_best_among_equals() -> None:
    known = OptionProbabilities((0.4, 0.4, 0.2), (0.0, 0.0, 0.0), 0.0)
    assert (known.best(tie=1), known.best(tie=2)) == (1, 0)
