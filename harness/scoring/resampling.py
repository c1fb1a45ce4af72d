"""How sure a score is: bootstrap intervals over documents, and paired tests between systems.

Micro F1 is recomputed from the resampled documents' counts; systems that are compared are resampled together
(Efron and Tibshirani, 1993, chapters 13 and 16; Berg-Kirkpatrick et al., EMNLP 2012).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.scoring.counts import Counts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 1000
LEVEL = 0.95


class Interval(NamedTuple):
    """The bounds between which the middle 95% of the resampled values lie."""

    low: float
    high: float


class Difference(NamedTuple):
    """A difference of scores, its interval, and how often resampling turns its sign (two-sided, 0 to 1)."""

    value: float
    interval: Interval
    p_value: float


class Resampling:
    """The same resamples of ``documents`` documents for every system that is looked at.

    Raises ValueError without documents.
    """

    def __init__(self, documents: int, resamples: int = RESAMPLES, seed: int = 0) -> None:
        import numpy as np

        if documents < 1:
            raise ValueError("there is no document to resample")
        generator = np.random.default_rng(seed)
        shares = np.full(documents, 1 / documents)
        self._times_drawn = generator.multinomial(documents, shares, size=resamples).astype(np.float64)

    def f1(self, counts: Sequence[Counts]) -> Floats:
        """F1 of each resample [resamples], from one row of counts a document, always in the same order."""
        import numpy as np

        return _f1(self._times_drawn @ np.asarray(counts, dtype=np.float64))

    def interval(self, counts: Sequence[Counts]) -> Interval:
        """The interval of a system's F1."""
        return _middle(self.f1(counts))

    def difference(self, first: Sequence[Sequence[Counts]], second: Sequence[Sequence[Counts]]) -> Difference:
        """Mean F1 of the systems ``second`` minus that of ``first``; one system each is the ordinary paired test."""
        import numpy as np

        value = _mean_f1(second) - _mean_f1(first)
        resampled = np.mean([self.f1(one) for one in second], axis=0) - np.mean([self.f1(one) for one in first], axis=0)
        least = min(int((resampled <= 0).sum()), int((resampled >= 0).sum()))
        return Difference(value, _middle(resampled), min(1.0, 2 * (least + 1) / (len(resampled) + 1)))


def in_order(per_document: Mapping[str, Sequence[int]], titles: Sequence[str]) -> list[Counts]:
    """Counts by title as rows in the order of ``titles``."""
    return [Counts(*per_document[title]) for title in titles]


def _mean_f1(systems: Sequence[Sequence[Counts]]) -> float:
    import numpy as np

    return float(np.mean([_f1(np.asarray(counts, dtype=np.float64).sum(axis=0)) for counts in systems]))


def _f1(counts: Floats) -> Floats:
    """F1 from correct, predicted and gold along the last axis; 0 where nothing is predicted or gold."""
    import numpy as np

    both = counts[..., 1] + counts[..., 2]
    return np.asarray(2 * counts[..., 0] / np.maximum(both, 1))


def _middle(values: Floats) -> Interval:
    import numpy as np

    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
