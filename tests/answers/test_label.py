"""Labels read from the first token of an answer."""

from __future__ import annotations

import math

import pytest

from harness.answers.label import LabelForm, read_labels
from harness.types import Completion, Reject, TokenLogprob

LABELS = ("New York", "New Jersey", "Oslo", "none")


def token(**probabilities: float) -> TokenLogprob:
    top = tuple((word.replace("_", " "), math.log(value)) for word, value in probabilities.items())
    return TokenLogprob(top[0][0], top[0][1], top)


def probabilities(*tokens: TokenLogprob) -> list[float] | None:
    logprobs = read_labels(tokens, LABELS).logprobs
    return None if logprobs is None else [round(math.exp(one), 3) for one in logprobs]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        pytest.param([token(_Oslo=0.6, _none=0.4)], [0, 0, 0.6, 0.4], id="whole labels"),
        pytest.param([token(_Os=0.4, Oslo=0.4, _none=0.2)], [0, 0, 0.8, 0.2], id="spellings of one label add up"),
        pytest.param([token(_New=0.8, _none=0.2)], [0.4, 0.4, 0, 0.2], id="a shared beginning is shared"),
        pytest.param([token(_NONE=0.5, _the=0.5)], [0, 0, 0, 1], id="case does not matter, other words do not count"),
        pytest.param([TokenLogprob("\n", -0.1), token(_Oslo=1.0)], [0, 0, 1, 0], id="blank tokens are passed over"),
        pytest.param([TokenLogprob(" Oslo", 0.0)], [0, 0, 1, 0], id="without alternatives"),
        pytest.param([token(_Paris=0.9)], None, id="no label"),
        pytest.param([], None, id="no log-probabilities"),
        pytest.param([token(_N=0.4, _none=0.6)], [0.4 / 3, 0.4 / 3, 0, 0.6 + 0.4 / 3], id="none begins as names do"),
    ],
)
def test_probabilities_of_labels(tokens: list[TokenLogprob], expected: list[float] | None) -> None:
    found = probabilities(*tokens)
    assert found == expected if expected is None else found == pytest.approx(expected, abs=0.02)


def test_what_was_not_returned_is_least_probable() -> None:
    reading = read_labels([token(_Oslo=0.9, _none=0.06, _Rome=0.04)], LABELS)
    assert reading.logprobs is not None
    assert reading.label_mass == pytest.approx(0.96)
    assert math.exp(reading.logprobs[0]) < 1e-9
    cut = read_labels([token(_Oslo=0.8, _none=0.1)], LABELS).logprobs
    assert cut is not None
    assert math.exp(cut[0]) == pytest.approx(0.1 / 4 / 0.95, abs=0.01), "a tenth was not returned"


def test_an_answer_that_is_cut_after_its_first_token_is_whole() -> None:
    form = LabelForm(LABELS)
    cut = Completion(" New", "length", logprobs=(token(_New=1.0),))
    assert form.status(cut, form.read(cut)) == ("ok", "")
    without = Completion(" New", "length")
    assert form.status(without, form.read(without))[0] == "invalid_output"
    refused = Completion("", "content_filter")
    assert form.status(refused, form.read(refused))[0] == "refused"


def test_an_answer_that_begins_no_label_is_rejected_and_whole() -> None:
    form = LabelForm(LABELS)
    other = Completion(" Paris", "length", logprobs=(token(_Paris=0.9),))
    reading = form.read(other)
    assert (reading.logprobs, reading.rejects) == (None, (Reject("no_label", "Paris"),))
    assert form.status(other, reading) == ("ok", "")


def test_a_name_that_begins_like_none_takes_nothing_of_it() -> None:
    for name in ("None", "none", "Nonesuch Records"):
        reading = read_labels([token(_none=0.9, _Oslo=0.1)], (name, "Oslo", "none"))
        assert reading.logprobs is not None
        assert [round(math.exp(one), 2) for one in reading.logprobs] == [0, 0.1, 0.9]
    begun = read_labels([token(_Nones=0.8, _none=0.2)], ("Nonesuch Records", "Oslo", "none")).odds_against_last()
    assert begun[0] == pytest.approx(math.log(4))


def test_of_what_was_not_returned_nothing_is_likelier_than_none() -> None:
    few = read_labels([token(_Oslo=0.9)], LABELS)
    assert few.odds_against_last()[:2] == [-math.inf, -math.inf]
    assert few.odds_against_last()[2] > 0
    with_none = read_labels([token(_Oslo=0.8, _none=0.1)], LABELS)
    assert all(-math.inf < odds < 0 for odds in with_none.odds_against_last()[:2])
    with pytest.raises(ValueError, match="no label"):
        read_labels([], LABELS).odds_against_last()
