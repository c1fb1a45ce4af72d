"""What a model sent is stored as valid text and finite numbers."""

from __future__ import annotations

import math

import pytest

from harness.engine.storable import IMPOSSIBLE_LOGPROB, storable
from harness.types import Completion, TokenLogprob


def test_half_a_character_becomes_a_question_mark_wherever_it_stands() -> None:
    token = TokenLogprob("\ud800", -1.0, (("a\udfff", -2.0),))
    completion = storable(Completion("é\ud800", "stop", reasoning="\udc00", refusal="\ud800.", logprobs=(token,)))
    assert (completion.text, completion.reasoning, completion.refusal) == ("é?", "?", "?.")
    assert completion.logprobs == (TokenLogprob("?", -1.0, (("a?", -2.0),)),)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (-0.5, -0.5),
        (0.0, 0.0),
        (1e-7, 0.0),
        (-math.inf, IMPOSSIBLE_LOGPROB),
        (math.inf, IMPOSSIBLE_LOGPROB),
        (math.nan, IMPOSSIBLE_LOGPROB),
        (-1e300, IMPOSSIBLE_LOGPROB),
        (7.0, IMPOSSIBLE_LOGPROB),
    ],
)
def test_what_is_no_log_probability_counts_as_impossible(sent: float, stored: float) -> None:
    (token,) = storable(Completion("A", "stop", logprobs=(TokenLogprob("A", sent, (("B", sent),)),))).logprobs
    assert (token.logprob, token.top) == (stored, (("B", stored),))
