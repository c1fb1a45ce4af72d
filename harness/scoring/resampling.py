"""How sure a score is: bootstrap intervals over documents, and paired tests between systems.

Micro F1 is recomputed from the resampled documents' counts; systems that are compared are resampled together
(Efron and Tibshirani, 1993, chapters 13 and 16; Berg-Kirkpatrick et al., EMNLP 2012). Approximate randomisation
exchanges the systems' answers document by document instead (Noreen, 1989; Yeh, COLING 2000).

Counts are given as an array [documents, 3] of correct, predicted and gold, or as rows that make one; with parts (such
as relations) in between, [documents, parts, 3], every part is treated on its own, on the same resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.scoring.counts import Counts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    CountRows = Sequence[Counts] | NDArray[np.integer]
    Measure = Callable[[ArrayLike], Floats]

RESAMPLES = 1000
LEVEL = 0.95
_AT_ONCE = 1000
_ROUNDING = 1e-12


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

    def totals(self, counts: CountRows) -> Floats:
        """The counts of each resample, [resamples, 3] or [resamples, parts, 3]; documents always in the same order."""
        import numpy as np

        return np.tensordot(self._times_drawn, np.asarray(counts, dtype=np.float64), axes=1)

    def f1(self, counts: CountRows) -> Floats:
        """F1 of each resample, [resamples] or [resamples, parts]."""
        return f1_of(self.totals(counts))

    def interval(self, counts: CountRows) -> Interval:
        """The interval of a system's F1."""
        return middle(self.f1(counts))

    def difference(self, first: Sequence[CountRows], second: Sequence[CountRows]) -> Difference:
        """Mean F1 of the systems ``second`` minus that of ``first``; one system each is the ordinary paired test."""
        import numpy as np

        value = _mean_f1(second) - _mean_f1(first)
        resampled = np.mean([self.f1(one) for one in second], axis=0) - np.mean([self.f1(one) for one in first], axis=0)
        return Difference(value, middle(resampled), turned_share(resampled))


class Exchanges(NamedTuple):
    """The counts of a system in all, and of the documents that each trial exchanges.

    They are [3] and [trials, 3], with parts [parts, 3] and [trials, parts, 3]. All are whole numbers, so that
    differences of two systems' are exact.
    """

    total: Floats
    moved: Floats


class Randomisation:
    """The same random exchanges of documents between two systems, for every two systems that are compared.

    Raises ValueError without documents.
    """

    def __init__(self, documents: int, trials: int = RESAMPLES, seed: int = 0) -> None:
        import numpy as np

        if documents < 1:
            raise ValueError("there is no document to exchange")
        self._exchanged = np.random.default_rng(seed).integers(0, 2, size=(trials, documents), dtype=np.int8)

    def exchanges(self, counts: CountRows) -> Exchanges:
        """What a comparison needs of one system, or of several as parts."""
        import numpy as np

        each = np.asarray(counts, dtype=np.float64)
        parts = [
            np.tensordot(self._exchanged[start : start + _AT_ONCE].astype(np.float64), each, axes=1)
            for start in range(0, len(self._exchanged), _AT_ONCE)
        ]
        return Exchanges(each.sum(axis=0), np.concatenate(parts))

    def p_value(self, first: CountRows, second: CountRows, measure: Measure | None = None) -> Floats:
        """How often exchanged systems differ at least as much as the two do (two-sided): [] or [parts].

        ``measure`` makes a score of counts, as ``f1_of`` does, which is the default.
        """
        return self.p_value_of(self.exchanges(first), self.exchanges(second), measure)

    def p_value_of(self, first: Exchanges, second: Exchanges, measure: Measure | None = None) -> Floats:
        """:meth:`p_value` of two systems whose exchanges are at hand."""
        import numpy as np

        measure = measure or f1_of
        observed = np.abs(measure(second.total) - measure(first.total))
        moved = second.moved - first.moved
        differences = np.abs(measure(second.total - moved) - measure(first.total + moved))
        as_far: Floats = (differences >= observed - _ROUNDING).sum(axis=0).astype(np.float64)
        return (as_far + 1) / (len(self._exchanged) + 1)


def in_order(per_document: Mapping[str, Sequence[int]], titles: Sequence[str]) -> list[Counts]:
    """Counts by title as rows in the order of ``titles``."""
    return [Counts(*per_document[title]) for title in titles]


def f1_of(counts: ArrayLike) -> Floats:
    """F1 from correct, predicted and gold along the last axis; 0 where nothing is predicted or gold."""
    import numpy as np

    each = np.asarray(counts, dtype=np.float64)
    return np.asarray(2 * each[..., 0] / np.maximum(each[..., 1] + each[..., 2], 1))


def precision_of(counts: ArrayLike) -> Floats:
    """Precision from correct, predicted and gold along the last axis; 0 where nothing is predicted."""
    import numpy as np

    each = np.asarray(counts, dtype=np.float64)
    return np.asarray(each[..., 0] / np.maximum(each[..., 1], 1))


def recall_of(counts: ArrayLike) -> Floats:
    """Recall from correct, predicted and gold along the last axis; 0 where nothing is gold."""
    import numpy as np

    each = np.asarray(counts, dtype=np.float64)
    return np.asarray(each[..., 0] / np.maximum(each[..., 2], 1))


def middle(values: Floats) -> Interval:
    """The bounds of the middle 95% of resampled values [resamples]."""
    import numpy as np

    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def turned_share(differences: Floats) -> float:
    """The two-sided p-value of the paired bootstrap from resampled differences [resamples]."""
    least = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (least + 1) / (len(differences) + 1))


def _mean_f1(systems: Sequence[CountRows]) -> float:
    import numpy as np

    return float(np.mean([f1_of(np.asarray(counts, dtype=np.float64).sum(axis=0)) for counts in systems]))
