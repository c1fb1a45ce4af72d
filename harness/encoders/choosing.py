"""Micro precision, recall and F1 of pair scores against labels, and the threshold that is best for F1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.encoders.text import EncodedDocument, indexed_labels
from harness.scoring.counts import Counts, Scores
from harness.types import Document, PairScores

if TYPE_CHECKING:
    import numpy as np


def margins(documents: Iterable[EncodedDocument], scores: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """How far each (pair, relation) scores above NA, and whether it is a label; flat, over all documents."""
    import numpy as np

    above: list[np.ndarray] = [np.zeros(0, dtype=np.float32)]
    gold: list[np.ndarray] = [np.zeros(0, dtype=bool)]
    for document, of_document in zip(documents, scores, strict=True):
        labels = np.zeros((len(of_document), of_document.shape[1] - 1), dtype=bool)
        head, tail, relation = document.labels.T
        labels[head * (document.entity_count - 1) + tail - (tail > head), relation] = True
        above.append((of_document[:, :-1] - of_document[:, -1:]).ravel())
        gold.append(labels.ravel())
    return np.concatenate(above), np.concatenate(gold)


def labelled_margins(documents: Iterable[Document], scores: Iterable[PairScores]) -> tuple[np.ndarray, np.ndarray]:
    """As ``margins``, of documents and scores as they stand outside training; the pairs are all, in row-major order."""
    import numpy as np

    above: list[np.ndarray] = [np.zeros(0, dtype=np.float32)]
    gold: list[np.ndarray] = [np.zeros(0, dtype=bool)]
    for document, of_document in zip(documents, scores, strict=True):
        labels = np.zeros((len(of_document.pairs), len(of_document.relations)), dtype=bool)
        indexed, _ = indexed_labels(document, of_document.relations)
        for head, tail, relation in indexed:
            labels[head * (len(document.entities) - 1) + tail - (tail > head), relation] = True
        above.append((of_document.scores[:, :-1] - of_document.scores[:, -1:]).ravel())
        gold.append(labels.ravel())
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
