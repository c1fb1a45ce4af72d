"""The order of comparable runs: intervals of F1, tests against the row above, and ties where the tests see no order.

The level is that of a single test, not corrected for their number: ``harness compare`` corrects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.analyses.leaderboards.entries import Entry
from harness.scoring.resampling import RESAMPLES, Exchanges, Randomisation, Resampling, middle, turned_share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNIFICANT = 0.05
_SYSTEMS_AT_ONCE = 32
MISMATCHED = "mismatched: other documents than the runs that are ranked"


def without_mismatched(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """The entries over the same documents as most, and the others with the reason."""
    titles = [entry.titles for entry in entries]
    most = max(titles, key=titles.count, default="")
    comparable = [entry for entry in entries if entry.titles == most]
    return comparable, [replace(entry, reason=MISMATCHED) for entry in entries if entry.titles != most]


def ranked_rows(entries: Sequence[Entry], resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """The rows of comparable entries, best F1 first, with rank, interval and p-values.

    Rows share a rank until the paired bootstrap and the approximate randomisation both tell one from the first row of
    their group; that one begins the next group, whose rank is its place.
    """
    ordered = sorted(entries, key=lambda entry: (-entry.row["f1"], entry.row["run_id"]))
    if not ordered:
        return []
    tests = _Tests(len(_counts_of(ordered[0])), resamples)
    rows: list[dict[str, Any]] = []
    rank = 1
    for place, (entry, here) in enumerate(zip(ordered, tests.systems(ordered), strict=True), 1):
        if place == 1:
            first = above = here
        against_above = tests.p_values(above, here) if place > 1 else (None, None)
        # The first of a group is mostly the row above.
        against_first = against_above if above is first else tests.p_values(first, here)
        if all(p is not None and p < SIGNIFICANT for p in against_first):
            first, rank = here, place
        interval = middle(here.resampled)
        rows.append(
            {
                **entry.row,
                "rank": rank,
                "f1_low": interval.low,
                "f1_high": interval.high,
                "p_bootstrap": against_above[0],
                "p_randomisation": against_above[1],
            }
        )
        above = here
    return rows


class _System(NamedTuple):
    """A run's F1 in every resample, and its counts in every exchange of documents."""

    resampled: NDArray[np.float64]
    exchanges: Exchanges


class _Tests:
    """Both tests over the same documents, with the same draws for all pairs of runs."""

    def __init__(self, documents: int, resamples: int) -> None:
        self._resampling = Resampling(documents, resamples)
        self._randomisation = Randomisation(documents, resamples)

    def systems(self, entries: Sequence[Entry]) -> Iterator[_System]:
        """Each entry's system; many are resampled together."""
        import numpy as np

        for start in range(0, len(entries), _SYSTEMS_AT_ONCE):
            counts = np.stack([_counts_of(entry) for entry in entries[start : start + _SYSTEMS_AT_ONCE]], axis=1)
            resampled, exchanges = self._resampling.f1(counts), self._randomisation.exchanges(counts)
            for system in range(counts.shape[1]):
                exchanged = Exchanges(exchanges.total[system], exchanges.moved[:, system])
                yield _System(np.ascontiguousarray(resampled[:, system]), exchanged)

    def p_values(self, better: _System, worse: _System) -> tuple[float, float]:
        """Of the paired bootstrap and of the approximate randomisation."""
        return (
            turned_share(better.resampled - worse.resampled),
            float(self._randomisation.p_value_of(worse.exchanges, better.exchanges)),
        )


def _counts_of(entry: Entry) -> NDArray[np.int32]:
    assert entry.counts is not None, "only entries that can be ranked are compared"
    return entry.counts
