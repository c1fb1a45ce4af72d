"""Micro precision, recall and F1 of pair scores against labels, and the threshold that is best for F1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.encoders.text import pair_rows
from harness.scoring.counts import Counts, Scores

if TYPE_CHECKING:
    import numpy as np


def margins(
    labels: Iterable[tuple[np.ndarray, int | np.ndarray, np.ndarray | None]], scores: Iterable[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """How far each (pair, relation) scores above NA, and whether it is a label; flat, over all documents.

    Of each document: ``labels`` [k, 3] (head, tail, number of the relation) with its pairs [p, 2], or the number of its
    entities where they are all in row-major order, and whether its labels tell of each relation [relations] (None: of
    all; others are left out); and the ``scores`` [p, relations + 1] of these pairs, NA last.
    """
    import numpy as np

    above: list[np.ndarray] = [np.zeros(0, dtype=np.float32)]
    gold: list[np.ndarray] = [np.zeros(0, dtype=bool)]
    for (labelled, pairs, annotated), of_document in zip(labels, scores, strict=True):
        holds = np.zeros((len(of_document), of_document.shape[1] - 1), dtype=bool)
        head, tail, relation = labelled.T
        holds[pair_rows(pairs, head, tail), relation] = True
        told = slice(None) if annotated is None else annotated
        above.append((of_document[:, :-1] - of_document[:, -1:])[:, told].ravel())
        gold.append(holds[:, told].ravel())
    return np.concatenate(above), np.concatenate(gold)


def scores_at(above: np.ndarray, gold: np.ndarray, threshold: float = 0.0) -> Scores:
    """The micro scores of what lies above a threshold."""
    predicted = above.astype("float64") > threshold
    return Scores.of(Counts(int((predicted & gold).sum()), int(predicted.sum()), int(gold.sum())))


def best_threshold(above: np.ndarray, gold: np.ndarray) -> float:
    """The threshold with the highest F1, halfway between two scores; 0 where nothing is gold."""
    import numpy as np

    if not gold.any():
        return 0.0
    order = np.argsort(-above, kind="stable")
    ranked = above[order].astype(np.float64)
    f1 = 2 * np.cumsum(gold[order]) / (np.arange(1, len(ranked) + 1) + gold.sum())
    # Equal scores stand or fall together.
    f1[:-1][ranked[:-1] == ranked[1:]] = -1
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else ranked[best] - 1
    return float((ranked[best] + below) / 2)
