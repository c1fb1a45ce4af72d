"""Which pairs an LLM is asked about: Drell's task distribution over the scores of an encoder.

An encoder is sure of most pairs. A pair is hard where no relation (NA) scores best and the runner-up comes close:
its probability, among the k best, is at least ``hardness`` times that of NA. The other pairs keep the encoder's answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import InputError
from harness.refiners.stored_scores import StoredScores, proposes_only, without_nan
from harness.types import Document, PairScores

if TYPE_CHECKING:
    import numpy as np

    from harness.methods.candidates import Pair, PairQuestion


MOST_OPTIONS = 26


class HardPair(NamedTuple):
    """A pair, its likeliest relations, best first, and the encoder's probabilities of them and, last, of NA."""

    pair: Pair
    relations: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class TaskDistribution:
    """``k`` best of all relations and NA are looked at; the encoder's scores are divided by ``temperature``.

    Raises InputError for numbers that make no sense.
    """

    k: int = 4
    hardness: float = 0.3
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 2 <= self.k <= MOST_OPTIONS:
            raise InputError(f"-R k={self.k}: NA and relations that letters are enough for: give 2 to {MOST_OPTIONS}")
        if not 0 < self.hardness <= 1:
            raise InputError(f"-R hardness={self.hardness:g}: give a ratio above 0 and at most 1")
        if not self.temperature > 0:
            raise InputError(f"-R encoder_temperature={self.temperature:g}: give a number above 0")

    def hard_pairs(self, scores: PairScores) -> list[HardPair]:
        """The hard pairs of a document, by head, then by tail.

        Of equal scores NA's comes first, then that of the earlier relation. A score that is not a number is below
        all others; a pair whose NA has none is not hard.
        """
        import numpy as np

        if not len(scores.pairs):
            return []
        order, probabilities = self._best(scores.scores)
        na_first = order[:, 0] == len(scores.relations)
        with np.errstate(invalid="ignore"):
            close = probabilities[:, 1] >= self.hardness * probabilities[:, 0]
        rows = np.flatnonzero(na_first & close & (probabilities[:, 1] > 0))
        found = []
        for row in sorted(rows, key=lambda one: tuple(scores.pairs[one])):
            likely = [place for place in range(1, order.shape[1]) if probabilities[row, place] > 0]
            found.append(
                HardPair(
                    (int(scores.pairs[row, 0]), int(scores.pairs[row, 1])),
                    tuple(scores.relations[order[row, place]] for place in likely),
                    (*(float(probabilities[row, place]) for place in likely), float(probabilities[row, 0])),
                )
            )
        return found

    def _best(self, scores: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Columns of the k best [p, k], best first, and the softmax over them [p, k] (NaN: all scores are missing)."""
        import numpy as np

        values = without_nan(scores.astype(np.float64)) / self.temperature
        relations = values.shape[1] - 1
        na_first = np.concatenate([values[:, -1:], values[:, :-1]], axis=1)
        order = np.argsort(-na_first, axis=1, kind="stable")[:, : self.k]
        best = np.take_along_axis(na_first, order, axis=1)
        with np.errstate(invalid="ignore"):
            odds = np.exp(best - best[:, :1])
            probabilities = odds / odds.sum(axis=1, keepdims=True)
        return np.where(order == 0, relations, order - 1), probabilities


@dataclass(frozen=True)
class HardPairs:
    """The questions of a refinement: every hard pair with its likeliest relations, best first."""

    scores: StoredScores
    distribution: TaskDistribution

    def __post_init__(self) -> None:
        if proposes_only(self.scores.file.relations):
            raise InputError(
                f"--refine {self.scores.name}: it proposes pairs and scores no relation: use it with --candidates"
            )

    def of(self, document: Document) -> list[HardPair]:
        return self.distribution.hard_pairs(self.scores.of(document))

    def pair_count(self, document: Document) -> int:
        return len(self.scores.of(document).pairs)

    def questions(self, document: Document) -> tuple[PairQuestion, ...]:
        from harness.methods.candidates import PairQuestion

        return tuple(PairQuestion(hard.pair, hard.relations) for hard in self.of(document))
