"""Corrections for many tests: against worked examples, scipy, and what they bound."""

from __future__ import annotations

import numpy as np
import pytest

from harness.scoring.corrections import CORRECTIONS, benjamini_hochberg, holm


def test_holm_multiplies_the_smallest_most_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg_is_scipys() -> None:
    scipy_stats = pytest.importorskip("scipy.stats", reason="scipy is the judge here, and no dependency")
    p_values = np.random.default_rng(0).beta(0.5, 2, 50).tolist()
    assert benjamini_hochberg(p_values) == pytest.approx(scipy_stats.false_discovery_control(p_values, method="bh"))


@pytest.mark.parametrize("correct", CORRECTIONS.values())
def test_adjusted_values_are_p_values_no_smaller_than_before(correct: type) -> None:
    p_values = [0.5, 0.9, 0.04, 1.0, 0.04]
    adjusted = correct(p_values)
    assert all(before <= after <= 1.0 for before, after in zip(p_values, adjusted, strict=True))
    assert adjusted[2] == adjusted[4]
    assert correct([]) == []
    assert correct([0.2]) == [0.2]


def test_holm_bounds_the_chance_of_any_false_rejection() -> None:
    rng = np.random.default_rng(1)
    any_rejected = [min(holm(rng.uniform(size=20).tolist())) < 0.05 for _ in range(1000)]
    assert 0.03 <= np.mean(any_rejected) <= 0.07
