"""Thresholds and losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.training.choosing import best_threshold, scores_at
from harness.training.losses import adaptive_threshold


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=30))
def test_the_best_threshold_has_the_best_f1_of_all(scored: list[tuple[int, bool]]) -> None:
    above = np.array([score for score, _ in scored], dtype=np.float32)
    gold = np.array([holds for _, holds in scored])
    best = scores_at(above, gold, best_threshold(above, gold)).f1
    assert best == pytest.approx(max(scores_at(above, gold, cut).f1 for cut in above - 0.5) if gold.any() else 0.0)


def test_without_labels_the_threshold_stays_zero() -> None:
    assert best_threshold(np.array([1.0, 2.0], dtype=np.float32), np.array([False, False])) == 0.0


def test_adaptive_threshold_is_the_papers_sum() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, 3.0]])  # two relations, then NA
    labels = torch.tensor([[True, False], [False, False]])
    first = -np.log(np.exp(2) / (np.exp(2) + np.exp(0.5))) - np.log(np.exp(0.5) / (np.exp(-1) + np.exp(0.5)))
    second = -np.log(np.exp(3) / (1 + np.exp(1) + np.exp(3)))
    assert adaptive_threshold(logits, labels).item() == pytest.approx((first + second) / 2)


def test_the_focal_loss_weighs_sure_relations_less() -> None:
    labels = torch.tensor([[True]])
    for margin in (-2.0, 3.0):
        logits = torch.tensor([[margin, 0.0]], requires_grad=True)
        plain, focal = adaptive_threshold(logits, labels), adaptive_threshold(logits, labels, gamma=2.0)
        share = torch.sigmoid(torch.tensor(margin))
        assert focal.item() == pytest.approx((plain * (1 - share) ** 2).item(), rel=1e-4)
        focal.backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
