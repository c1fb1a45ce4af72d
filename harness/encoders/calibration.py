"""Probabilities that hold: a slope and an offset of an encoder's margins, fitted on labelled documents.

Platt (1999), "Probabilistic Outputs for Support Vector Machines". The slope is the inverse of the temperature of Guo et
al. (2017); the offset is needed because encoders choose their thresholds by F1, not by likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.types import Document, PairScores

CALIBRATION = "calibration.json"
"""The file beside an encoder's weights."""
_STEPS, _RIDGE = 50, 1e-9


class Calibration(BaseModel):
    """The probability of a relation is ``sigmoid(margin / temperature - offset)``, its margin being that over NA."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    offset: float = Field(default=0.0, allow_inf_nan=False)
    documents: int = 0
    """How many it was fitted on; 0 where it was not fitted."""
    fitted_on: str = ""
    """The corpus and split."""
    weights: str = ""
    """Checksum of the weights that it was fitted to, see ``weights_digest``; empty where it is not known."""

    def probability(self, margin: float) -> float:
        """The probability that the labels hold a triplet of that margin."""
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, margin / self.temperature - self.offset))))


def read_calibration(folder: Path) -> Calibration:
    """The calibration beside an encoder's weights; that which changes nothing where there is none.

    Raises InputError for a damaged file, and for one that was fitted to other weights.
    """
    from harness.encoders.config import read_record
    from harness.encoders.weights import weights_digest

    file = folder / CALIBRATION
    if not file.is_file():
        return Calibration()
    found = read_record(Calibration, file)
    if found.weights not in ("", weights_digest(folder)):
        raise InputError(
            f"{file}: was fitted to other weights than those beside it: fit it anew (`harness calibrate RUN --into "
            f"{folder}`), or delete it"
        )
    return found


def margins_and_labels(
    documents: Iterable[Document], scores: Iterable[PairScores]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of all pairs and relations of the documents: the margin, and whether the labels hold the triplet, both [n]."""
    import numpy as np

    margins, held = [], []
    for document, one in zip(documents, scores, strict=True):
        gold = np.zeros(one.margins.shape, bool)
        columns = {relation: column for column, relation in enumerate(one.relations)}
        rows = {(int(head), int(tail)): row for row, (head, tail) in enumerate(one.pairs)}
        for label in document.labels:
            head, relation, tail = label.triplet
            if relation in columns and (head, tail) in rows:
                gold[rows[head, tail], columns[relation]] = True
        margins.append(one.margins.astype("f8").ravel())
        held.append(gold.ravel())
    return np.concatenate(margins), np.concatenate(held)


def fitted(margins: NDArray[np.float64], held: NDArray[np.bool_]) -> tuple[float, float]:
    """Temperature and offset of the greatest likelihood, by Newton's method (logistic regression on one variable)."""
    import numpy as np

    features = np.stack([margins, -np.ones_like(margins)], 1)
    weights = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        probabilities = 1 / (1 + np.exp(-np.clip(features @ weights, -60, 60)))
        curvature = (features * (probabilities * (1 - probabilities))[:, None]).T @ features + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, features.T @ (held - probabilities))
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return float(1 / max(weights[0], 1e-3)), float(weights[1])
