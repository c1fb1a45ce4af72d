"""Thresholds and losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st

from harness.encoders.backbone import load_tokenizer
from harness.encoders.batching import Collator
from harness.encoders.config import ModelConfig, PairReasoning
from harness.encoders.inference import Inference
from harness.encoders.text import DocumentEncoder, EncodedDocument
from harness.training.choosing import best_threshold, scores_at
from harness.training.config import TrainingConfig
from harness.training.losses import adaptive_focal, adaptive_threshold
from harness.training.objectives import PairObjective
from harness.types import Document, RelationSchema


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


def test_adaptive_focal_ranks_each_relation_that_holds_against_na_alone() -> None:
    logits = torch.tensor([[2.0, -1.0, 1.0, 0.5], [0.0, 1.0, -1.0, 3.0]], dtype=torch.double)  # NA last
    labels = torch.tensor([[True, True, False], [False, False, False]])
    # P = 1 / (1 + exp(-1.5)) = 0.817574 for the first relation, 0.182426 for the second; squares of what they lack.
    first = 0.182426**2 * 0.201413 + 0.817574**2 * 1.701413
    others = 0.974077 + np.log(np.exp([0.0, 1.0, -1.0, 3.0]).sum()) - 3
    assert adaptive_focal(logits, labels, 2.0).item() == pytest.approx((first + others) / 2, abs=1e-5)


def test_the_factor_grows_with_what_a_relation_lacks_whatever_other_relations_hold() -> None:
    def losses(*scores: float) -> float:
        return adaptive_focal(torch.tensor([[*scores, 0.0]]), torch.ones(1, len(scores), dtype=torch.bool), 1.0).item()

    assert losses(3.0) < losses(0.0) < losses(-3.0)
    assert losses(3.0, -3.0) == pytest.approx(losses(3.0) + losses(-3.0))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_gradients_of_adaptive_focal_are_those_of_its_formula_and_finite_anywhere(gamma: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(5, 4, dtype=torch.double, requires_grad=True)
    labels = torch.rand(5, 3) < 0.4
    adaptive_focal(logits, labels, gamma).backward()
    steps = torch.eye(20, dtype=torch.double).reshape(20, 5, 4) * 1e-6
    with torch.no_grad():
        rises = [
            (adaptive_focal(logits + one, labels, gamma) - adaptive_focal(logits - one, labels, gamma)).item()
            for one in steps
        ]
    assert logits.grad is not None
    assert logits.grad.flatten().numpy() == pytest.approx(np.array(rises) / 2e-6, rel=1e-6, abs=1e-8)
    far = torch.tensor([[900.0, -900.0, 0.0], [-900.0, 900.0, 0.0]], requires_grad=True)
    adaptive_focal(far, torch.tensor([[True, False]] * 2), gamma).backward()
    assert far.grad is not None
    assert far.grad.isfinite().all()


@pytest.mark.parametrize("reasoning", ["none", "axial"])
def test_an_encoder_is_judged_by_candidate_pairs_alone(
    tiny_encoder: Callable[[str], str],
    documents: list[Document],
    schema: RelationSchema,
    monkeypatch: pytest.MonkeyPatch,
    reasoning: PairReasoning,
) -> None:
    """What reasons goes over all pairs; a run leaves out the others, so they decide no threshold."""
    relations = tuple(schema.by_id)
    config = ModelConfig(task="atlop", relations=relations, encoder=tiny_encoder("bert"), reasoning=reasoning)
    encoder = DocumentEncoder(load_tokenizer(config.encoder), config)
    some = [replace(one, candidates=tuple(sorted({one.labels[0].triplet[::2], (0, 1)}))) for one in documents[:3]]
    encoded = [encoder.encode(one, with_labels=True) for one in some]
    # Labels of other pairs cannot be found, and are left out.
    assert 3 <= sum(len(one.labels) for one in encoded) < sum(len(one.labels) for one in some)

    def scores(_: Inference, read: Sequence[EncodedDocument]) -> Iterator[np.ndarray]:
        """Labels score 1, other relations of candidates -1, and everything else 9."""
        for one in read:
            found = np.full((one.pair_count, len(relations) + 1), 9.0)
            assert one.candidates is not None
            found[one.rows(*one.candidates.T)] = -1.0
            head, tail, relation = one.labels.T
            found[one.rows(head, tail), relation] = 1.0
            found[:, -1] = 0.0
            yield found

    monkeypatch.setattr(Inference, "scores", scores)
    collator = Collator(encoder.tokenizer, config.window, config.overlap, len(relations))
    judged = PairObjective(collator, TrainingConfig(choose_threshold=False), encoded).judge(None, Accelerator())
    assert judged.f1 == 1.0
