"""Intervals and paired tests: right on systems whose true F1 is known."""

from __future__ import annotations

import numpy as np
import pytest

from harness.scoring.counts import Counts, Scores
from harness.scoring.resampling import Difference, Randomisation, Resampling, in_order
from tests.simulated import golds, shares, simulated

DOCUMENTS = 200


def test_intervals_cover_and_tests_reject_as_often_as_they_say() -> None:
    """Within three standard errors of 300 simulations; ``tests.bench.statistics_check`` is the larger version."""
    covered, *rejected = shares(simulations=300, documents=DOCUMENTS, resamples=400)
    assert 0.91 <= covered <= 0.985
    assert all(0.012 <= share <= 0.088 for share in rejected), rejected


def test_randomisation_counts_every_exchange_of_two_documents() -> None:
    """Two documents can be exchanged in four ways, two of which leave the difference at least as large."""
    one, other = [Counts(1, 4, 5), Counts(0, 4, 5)], [Counts(3, 4, 5), Counts(1, 4, 5)]
    assert Randomisation(2, 20_000).p_value(one, other) == pytest.approx(0.5, abs=0.02)


def test_randomisation_finds_a_real_difference_and_none_of_a_system_from_itself() -> None:
    rng = np.random.default_rng(3)
    gold = golds(rng, DOCUMENTS)
    weak, strong = simulated(rng, 0.3, 8, gold), simulated(rng, 0.5, 8, gold)
    tests = Randomisation(DOCUMENTS, 999)
    assert tests.p_value(weak, strong) == tests.p_value(strong, weak) == pytest.approx(0.001)
    assert tests.p_value(weak, weak) == 1.0


def test_parts_are_tested_each_on_its_own() -> None:
    rng = np.random.default_rng(6)
    gold = golds(rng, DOCUMENTS)
    one, other = (np.stack([simulated(rng, recall, 8, gold) for recall in pair], axis=1) for pair in ((0.3, 0.4),) * 2)
    for test in (Resampling(DOCUMENTS, 50).f1, Resampling(DOCUMENTS, 50).totals):
        assert test(one)[:, 1] == pytest.approx(test(one[:, 1]))
    tests = Randomisation(DOCUMENTS, 2500)
    together = tests.p_value(one, other)
    assert together == pytest.approx([tests.p_value(one[:, part], other[:, part]) for part in range(2)])


def test_a_real_difference_is_found_and_has_its_sign() -> None:
    rng = np.random.default_rng(3)
    gold = golds(rng, DOCUMENTS)
    weak, strong = simulated(rng, 0.3, 8, gold), simulated(rng, 0.5, 8, gold)
    found = Resampling(DOCUMENTS).difference([weak], [strong])
    assert found.p_value < 0.01
    assert 0 < found.interval.low < found.value < found.interval.high
    turned = Resampling(DOCUMENTS).difference([strong], [weak])
    assert turned.value == pytest.approx(-found.value)
    assert turned.interval.low == pytest.approx(-found.interval.high)


def test_a_system_does_not_differ_from_itself() -> None:
    counts = simulated(np.random.default_rng(4), 0.4, 8, golds(np.random.default_rng(4), DOCUMENTS))
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
    counts = simulated(np.random.default_rng(5), 0.4, 8, golds(np.random.default_rng(5), DOCUMENTS))
    assert Resampling(DOCUMENTS, seed=1).interval(counts) == Resampling(DOCUMENTS, seed=1).interval(counts)
    assert Resampling(DOCUMENTS, seed=1).interval(counts) != Resampling(DOCUMENTS, seed=2).interval(counts)


@pytest.mark.parametrize("draws", [Resampling, Randomisation])
def test_without_documents_there_is_nothing_to_resample(draws: type) -> None:
    with pytest.raises(ValueError, match="no document"):
        draws(0)


def test_counts_are_put_into_the_order_asked_for() -> None:
    assert in_order({"a": [1, 2, 3], "b": [0, 0, 1]}, ["b", "a"]) == [Counts(0, 0, 1), Counts(1, 2, 3)]
