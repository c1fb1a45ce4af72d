"""Which runs a report is about: the boards of the leaderboard, their runs, and the documents that these were run on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.analyses.leaderboards import Leaderboard, RunFilter, leaderboards
from harness.errors import InputError
from harness.json_files import shown
from harness.label_source import NOT_SCORED
from harness.runs.results import RunResult
from harness.runs.stored_data import DataPlace, find_dataset
from harness.store import DOCUMENTS, METRICS, REBUILD, DocumentRecord, RunFolder
from harness.types import Dataset

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ReportRun:
    """A complete run; ``number`` (from 1) names it in figures, links and files. ``reason``: why it is not ranked."""

    number: int
    result: RunResult
    reason: str

    @property
    def run_id(self) -> str:
        return self.result.folder.run_id

    @property
    def model(self) -> str:
        return self.result.manifest.question.model.name

    @property
    def label(self) -> str:
        """Model, prompt with its options, and constraint."""
        level = self.result.manifest.question.constraint.level
        return " ".join(part for part in (self.model, self.result.manifest.label, level) if part)

    @property
    def f1(self) -> float:
        return self.result.metrics.official.f1 or 0.0

    @property
    def tokens(self) -> int:
        return self.result.manifest.usage.tokens

    @property
    def by_id(self) -> bool:
        """Whether its answers refer to entities by id; an encoder's have no answers."""
        return self.result.manifest.question.prompt.options.get("refs", "id") == "id"


@dataclass(frozen=True)
class ReportBoard:
    """One split of one dataset file: its tables, its complete runs, and its documents if they can be found.

    ``reported`` are papers' rows, where they were asked for. ``without_documents`` says why the documents cannot be
    found, and what to do about it. ``note`` says which share of failed documents ranked
    runs may have, if some have any.
    """

    title: str
    note: str
    ranked: pd.DataFrame
    unranked: pd.DataFrame
    reported: pd.DataFrame
    runs: Sequence[ReportRun]
    dataset: Dataset | None
    without_documents: str = ""

    @property
    def labels(self) -> str:
        """What to say of the labels if there are none, or no human wrote them; else empty."""
        told = (run.result.label_source.silver if run.result.is_scored else NOT_SCORED for run in self.runs)
        return next(filter(None, told), "")

    @property
    def relation_names(self) -> dict[str, str]:
        """Relation id to name; empty where the dataset is not at hand."""
        return {one.id: one.name for one in self.dataset.schema.relations} if self.dataset else {}


class RecordStream:
    """The records of a run, taken in the order of the dataset by title, one held at a time.

    ``damage`` says why records cannot be read, or do not fit the dataset; no more are given from there on.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._records = folder.documents()
        self.damage = ""
        self._next = self._read()

    def _read(self) -> DocumentRecord | None:
        try:
            return next(self._records, None)
        except InputError as error:
            self.damage = str(error)
            return None

    def take(self, title: str) -> DocumentRecord | None:
        """The record of the document of that title, if it is the next one."""
        record = self._next
        if record is None or record.title != title:
            return None
        self._next = self._read()
        return record

    @property
    def is_over(self) -> bool:
        return self._next is None

    def end(self) -> None:
        """The documents are over: a record that is left belongs to none of them."""
        if self._next is not None:
            self.damage = (
                f"{self._folder.path / DOCUMENTS}: {shown(self._next.title)} is not where the dataset has it; {REBUILD}"
            )


def report_boards(
    results: Path, chosen: Sequence[str], taken: RunFilter, data_dir: Path | None, *, reported: bool = False
) -> list[ReportBoard]:
    """The boards with the chosen runs: those whose id contains one of ``chosen``, or all if there are none.

    With ``reported``, boards have the papers' rows, and there are boards that have nothing else.

    Raises InputError if no run is left, or one of ``chosen`` names none.
    """
    boards = [_chosen(board, chosen) for board in leaderboards(results, taken, reported=reported, each_run=True)]
    ids = [run_id for board in boards for run_id in (*board.ranked["run_id"], *board.unranked["run_id"])]
    for part in chosen:
        if not any(part in run_id for run_id in ids):
            raise InputError(f"--runs {part!r}: no run under {results / 'runs'} has it in its id: see the leaderboard")
    if not ids:
        raise InputError(f"no runs under {results / 'runs'} match: `harness run` makes one")
    made: list[ReportBoard] = []
    first = 1
    for board in boards:
        runs = list(_runs(results, board, first))
        first += len(runs)
        if len(board.ranked) or len(board.unranked) or len(board.reported):
            found, why = _dataset_of(runs, data_dir)
            shown = board.ranked, board.unranked, board.reported
            made.append(ReportBoard(board.title, board.note, *shown, runs, found, why))
    return made


def _chosen(board: Leaderboard, chosen: Sequence[str]) -> Leaderboard:
    if not chosen:
        return board

    def kept(table: pd.DataFrame) -> pd.DataFrame:
        wanted = [run_id for run_id in table["run_id"] if any(part in run_id for part in chosen)]
        return table[table["run_id"].isin(wanted)]

    return replace(board, ranked=kept(board.ranked), unranked=kept(board.unranked))


def _runs(results: Path, board: Leaderboard, first: int) -> Iterator[ReportRun]:
    """The complete runs of a board, the ranked ones first."""
    rows = [(run_id, "") for run_id in board.ranked["run_id"]]
    rows += list(zip(board.unranked["run_id"], board.unranked["reason"], strict=True))
    for run_id, reason in rows:
        folder = RunFolder(results / "runs" / run_id)
        try:
            if folder.has(METRICS) and folder.has(DOCUMENTS):
                yield ReportRun(first, RunResult.load(folder), reason)
                first += 1
        except InputError:
            # A run without sound scores stands in the table with its reason, and has nothing more to show.
            continue


def _dataset_of(runs: Iterable[ReportRun], data_dir: Path | None) -> tuple[Dataset | None, str]:
    """The file that the runs were made on, or why it is not at hand."""
    problem = ""
    tried, place = set(), DataPlace(data_dir=data_dir)
    for run in runs:
        config = run.result.manifest.config
        recorded = (config.dataset, config.data_dir)
        if recorded in tried:
            continue
        tried.add(recorded)
        try:
            found = find_dataset(run.result.folder, run.result.manifest, place, "name its folder with --data-dir")
            return found, ""
        except InputError as error:
            problem = str(error)
    return None, problem
