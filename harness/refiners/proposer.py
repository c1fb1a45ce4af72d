"""LMRC's candidate proposer: the pairs that an encoder scores above its threshold, for an LLM to classify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.methods.candidates import Pair
from harness.refiners.stored_scores import StoredScores, proposes_only, without_nan
from harness.types import Document

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ScoredPairs:
    """A ``PairSource``: a document's pairs that the scores relate, in the one relation of a proposer or in any.

    The relations proposed for a pair are those above NA, best first; a proposer of pairs names none. A score that
    is not a number is above nothing.
    """

    scores: StoredScores

    @property
    def name(self) -> str:
        return self.scores.name

    @property
    def identity(self) -> str:
        return self.scores.identity

    def pairs(self, document: Document) -> tuple[Pair, ...]:
        """The proposed pairs by head, then by tail."""
        return tuple(self._above(document))

    def ranked(self, document: Document) -> tuple[Pair, ...]:
        """All pairs, by how far their best relation is above NA; those without a number come last."""
        import numpy as np

        found = self.scores.of(document)
        margins = without_nan(found.scores)[:, :-1].max(axis=1) - found.scores[:, -1]
        order = np.argsort(-np.where(np.isnan(margins), -np.inf, margins), kind="stable")
        return tuple((int(head), int(tail)) for head, tail in found.pairs[order])

    def relations(self, document: Document) -> Mapping[Pair, tuple[str, ...]]:
        if proposes_only(self.scores.file.relations):
            return {}
        return self._above(document)

    def _above(self, document: Document) -> dict[Pair, tuple[str, ...]]:
        """What is above NA for every pair that has something."""
        import numpy as np

        found = self.scores.of(document)
        scores: np.ndarray[Any, Any] = without_nan(found.scores)
        # A pair whose NA is not a number has nothing to be compared with.
        comparable = ~np.isnan(found.scores[:, -1:])
        above = (scores[:, :-1] > scores[:, -1:]) & comparable
        proposed: dict[Pair, tuple[str, ...]] = {}
        for row in np.flatnonzero(above.any(axis=1)):
            ranked = np.argsort(-scores[row, :-1], kind="stable")
            pair = (int(found.pairs[row, 0]), int(found.pairs[row, 1]))
            proposed[pair] = tuple(found.relations[column] for column in ranked if above[row, column])
        return dict(sorted(proposed.items()))
