"""Intervals and paired tests: right on systems whose true F1 is known."""

from __future__ import annotations

import numpy as np
import pytest

from harness.scoring.counts import Counts, Scores
from harness.scoring.resampling import Difference, Resampling, in_order

DOCUMENTS = 200


def simulated(
    rng: np.random.Generator, recall: float, wrong: float, gold: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> list[Counts]:
    """A system that finds each gold triplet with probability ``recall`` and adds Poisson(``wrong``) wrong ones."""
    correct = rng.binomial(gold, recall)
    predicted = correct + rng.poisson(wrong, len(gold))
    return [Counts(*map(int, row)) for row in zip(correct, predicted, gold, strict=True)]


def golds(rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return rng.poisson(rng.gamma(4, 6, DOCUMENTS))


def true_f1(recall: float, wrong: float, gold: float = 24) -> float:
    return 2 * recall * gold / (recall * gold + wrong + gold)


def test_the_interval_covers_the_true_f1_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for number in range(300):
        interval = Resampling(DOCUMENTS, 400, seed=number).interval(simulated(rng, 0.4, 8, golds(rng)))
        covered += interval.low <= true_f1(0.4, 8) <= interval.high
    assert 0.91 <= covered / 300 <= 0.98, "three standard errors around 95%"


def test_a_true_null_is_rejected_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(2)
    rejected = 0
    for number in range(300):
        gold = golds(rng)
        one, other = (simulated(rng, 0.4, 8, gold) for _ in range(2))
        rejected += Resampling(DOCUMENTS, 400, seed=number).difference([one], [other]).p_value < 0.05
    assert 0.01 <= rejected / 300 <= 0.09


def test_a_real_difference_is_found_and_has_its_sign() -> None:
    rng = np.random.default_rng(3)
    gold = golds(rng)
    weak, strong = simulated(rng, 0.3, 8, gold), simulated(rng, 0.5, 8, gold)
    found = Resampling(DOCUMENTS).difference([weak], [strong])
    assert found.p_value < 0.01
    assert 0 < found.interval.low < found.value < found.interval.high
    turned = Resampling(DOCUMENTS).difference([strong], [weak])
    assert turned.value == pytest.approx(-found.value)
    assert turned.interval.low == pytest.approx(-found.interval.high)


def test_a_system_does_not_differ_from_itself() -> None:
    counts = simulated(np.random.default_rng(4), 0.4, 8, golds(np.random.default_rng(4)))
    assert Resampling(DOCUMENTS).difference([counts], [counts]) == Difference(0.0, (0.0, 0.0), 1.0)


def test_the_value_is_the_difference_of_the_official_scores() -> None:
    counts = [[Counts(1, 2, 3), Counts(0, 0, 4)], [Counts(2, 2, 3), Counts(1, 5, 4)]]
    totals = [Scores.of(Counts(*map(sum, zip(*rows, strict=True)))).f1 for rows in counts]
    assert Resampling(2).difference([counts[0]], [counts[1]]).value == pytest.approx(totals[1] - totals[0])


def test_several_systems_are_compared_by_their_mean() -> None:
    one, two = [Counts(1, 1, 2)] * 3, [Counts(2, 2, 2)] * 3
    found = Resampling(3).difference([one, two], [two, two])
    assert found.value == pytest.approx((1 - 2 / 3) / 2)


def test_documents_without_gold_or_prediction_count_nothing() -> None:
    assert Resampling(2).interval([Counts(0, 0, 0), Counts(0, 0, 0)]) == (0.0, 0.0)


def test_the_seed_decides() -> None:
    counts = simulated(np.random.default_rng(5), 0.4, 8, golds(np.random.default_rng(5)))
    assert Resampling(DOCUMENTS, seed=1).interval(counts) == Resampling(DOCUMENTS, seed=1).interval(counts)
    assert Resampling(DOCUMENTS, seed=1).interval(counts) != Resampling(DOCUMENTS, seed=2).interval(counts)


def test_without_documents_there_is_nothing_to_resample() -> None:
    with pytest.raises(ValueError, match="no document"):
        Resampling(0)


def test_counts_are_put_into_the_order_asked_for() -> None:
    assert in_order({"a": [1, 2, 3], "b": [0, 0, 1]}, ["b", "a"]) == [Counts(0, 0, 1), Counts(1, 2, 3)]
