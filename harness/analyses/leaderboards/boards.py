"""From stored runs, and a papers' rows where asked for, to one leaderboard for each split of a dataset file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.analyses.leaderboards.columns import COLUMNS, REPORTED_COLUMNS, frame, records
from harness.analyses.leaderboards.entries import DAMAGED, BoardKey, Entry, RunFilter, read_entry, repetitions_as_one
from harness.analyses.leaderboards.ranking import ranked_rows, without_mismatched
from harness.analyses.leaderboards.reported import reported_boards
from harness.runs.failures import MOST_FAILED
from harness.scoring.resampling import RESAMPLES
from harness.store import run_folders

if TYPE_CHECKING:
    import pandas as pd

EVERY_RUN = RunFilter()
_DIGITS_OF_CHECKSUM = 8


@dataclass(frozen=True)
class Leaderboard:
    """One split of one dataset file: ranked rows, best first, the runs that are not ranked, and papers' rows.

    ``sha256`` is the checksum of the dataset's file, and ``title`` names it where two files share a name. Rows that
    papers report have no rank: they were measured elsewhere, and without their answers nothing can be tested.
    ``max_failed`` is the share of documents without a full answer up to which runs were ranked.
    """

    dataset: str
    split: str
    sha256: str
    title: str
    ranked: pd.DataFrame
    unranked: pd.DataFrame
    reported: pd.DataFrame
    max_failed: float = MOST_FAILED
    titles: frozenset[str] = frozenset()
    """Of the documents of the ranked runs."""

    @property
    def note(self) -> str:
        """What to say beside the ranked runs if some documents of theirs have no full answer; else empty."""
        if not (self.ranked["coverage"] < 1).any():
            return ""
        return f"up to {self.max_failed:.0%} of a run's documents may lack a full answer, which counts as missed"

    def beside_reported(self) -> pd.DataFrame:
        """Ranked and reported rows in one table by F1; only the first have a rank, only the others a source."""
        rows = [*records(self.ranked), *(row for row in records(self.reported) if row["reason"] is None)]
        return frame(sorted(rows, key=lambda row: -row["f1"]), [*COLUMNS, *REPORTED_COLUMNS])

    def not_ranked(self) -> pd.DataFrame:
        """The runs and reported rows that stand apart, the reason first."""
        rows = [*records(self.unranked), *(row for row in records(self.reported) if row["reason"] is not None)]
        return frame(rows, ["reason", *COLUMNS[1:], *REPORTED_COLUMNS])

    def as_table(self) -> pd.DataFrame:
        """All rows in one table: dataset and split first; the last columns tell ranked, unranked and reported apart."""
        parts = {"ranked": self.ranked, "unranked": self.unranked, "reported": self.reported}
        rows = [
            {"dataset": self.dataset, "split": self.split, **row, "kind": kind}
            for kind, table in parts.items()
            for row in records(table)
        ]
        return frame(rows, ["dataset", "split", *COLUMNS, *REPORTED_COLUMNS, "reason", "kind"])

    def as_json(self) -> dict[str, Any]:
        """Plain values, None for what is not available."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "sha256": self.sha256,
            "max_failed": self.max_failed,
            "ranked": records(self.ranked),
            "unranked": records(self.unranked),
            "reported": records(self.reported),
        }


def leaderboards(
    results: Path,
    chosen: RunFilter = EVERY_RUN,
    *,
    reported: bool = False,
    max_failed: float = MOST_FAILED,
    resamples: int = RESAMPLES,
    each_run: bool = False,
) -> list[Leaderboard]:
    """A board per dataset, split and file checksum among the stored runs, by name.

    Runs over the same file with other relations (another rel_info.json) have other gold, so they have boards of their
    own, as have runs that were not given the entities. A run is ranked if it is complete, covers the whole split, was
    scored against labels of humans by this version of the scorer, and at most ``max_failed`` of its documents are
    without a full answer. Repetitions, which differ in ``--repeat`` and ``--seed`` only, are one row, unless
    ``each_run``. With ``reported``, papers' rows stand on the boards of their dataset and split, or on one of
    their own. Raises InputError for files of papers' rows that cannot be read.
    """
    entries: dict[BoardKey, list[Entry]] = {}
    for folder in run_folders(results):
        if entry := read_entry(folder, chosen, max_failed):
            entries.setdefault(entry.key, []).append(entry)
    _join_earlier(entries)
    from_papers = reported_boards(results, chosen) if reported else {}
    for dataset, split in from_papers:
        if not any((key.dataset, key.split, key.given) == (dataset, split, "") for key in entries):
            entries[BoardKey(dataset, split, "")] = []
    files = Counter((key.dataset, key.split) for key in {key._replace(given="") for key in entries})
    return [
        _board(
            key,
            entries[key],
            () if key.given else from_papers.get(key[:2], ()),
            files[key[:2]] > 1,
            resamples,
            max_failed,
            each_run,
        )
        for key in sorted(entries)
    ]


def _join_earlier(entries: dict[BoardKey, list[Entry]]) -> None:
    """Put runs from before relations were recorded on the board of their file, where it has one other board only."""
    for key in [key for key in entries if not key.relations]:
        others = [one for one in entries if one[:3] == key[:3] and one.given == key.given and one != key]
        if len(others) == 1:
            entries[others[0]] += entries.pop(key)


def _board(
    key: BoardKey,
    entries: Sequence[Entry],
    from_papers: Sequence[dict[str, Any]],
    one_of_several: bool,
    resamples: int,
    max_failed: float,
    each_run: bool,
) -> Leaderboard:
    comparable, mismatched = without_mismatched([entry for entry in entries if not entry.reason])
    apart = [*(entry for entry in entries if entry.reason), *mismatched]
    relations = f", relations {key.relations[:_DIGITS_OF_CHECKSUM]}" if key.relations else ""
    title = "damaged runs" if key == DAMAGED else f"{key.dataset} {key.split}"
    given = f", {key.given} given" if key.given else ""
    return Leaderboard(
        key.dataset,
        key.split,
        key.sha256,
        f"{title}, file {key.sha256[:_DIGITS_OF_CHECKSUM]}{relations}{given}" if one_of_several else title + given,
        frame(ranked_rows(comparable if each_run else repetitions_as_one(comparable), resamples), COLUMNS),
        frame([{"reason": entry.reason, **entry.row} for entry in apart], ["reason", *COLUMNS[1:]]),
        frame(from_papers, [*COLUMNS, *REPORTED_COLUMNS, "reason"]),
        max_failed,
        comparable[0].documents if comparable else frozenset(),
    )
