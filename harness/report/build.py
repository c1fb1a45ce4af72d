"""Writing a report: one pass over the documents, all runs side by side, one document held at a time."""

from __future__ import annotations

import gc
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.analyses.leaderboards import RunFilter
from harness.errors import InputError, StorageError
from harness.report import charts, tables
from harness.report.analysis import Examiner, RunAnalysis
from harness.report.documents import DocumentData
from harness.report.figures import Figure, write_figure
from harness.report.pages import Pages, write_data
from harness.report.runs import RecordStream, ReportBoard, ReportRun, report_boards
from harness.report.stored_tables import StoredTables, read_stored_tables
from harness.report.texts import TextTable, shared_lines

log = logging.getLogger(__name__)

REPORTED = "reported by papers, measured elsewhere and never ranked"
MARK = "harness-report.txt"
"""The file by which a folder is known to be a report, which the next one may replace."""


@dataclass(frozen=True)
class ReportOptions:
    """Which runs go into a report, and where it is written; ``runs`` are parts of run ids, none for all.

    ``data_dir`` is where the runs' dataset lies now, if not where it lay when they were made. With ``reported``, what
    papers report stands beside.
    """

    results: Path
    out: Path
    runs: Sequence[str] = ()
    dataset: str | None = None
    split: str | None = None
    data_dir: Path | None = None
    reported: bool = False


@dataclass(frozen=True)
class WrittenReport:
    """What was written: the first page, how many runs and documents, and the size of all files in bytes.

    ``damaged`` says of each run whose records cannot be read why its documents are not shown.
    """

    index: Path
    runs: int
    documents: int
    size: int
    damaged: Sequence[str]


@dataclass(frozen=True)
class Report:
    """What a report is made of, found and checked before anything is written."""

    options: ReportOptions
    boards: Sequence[ReportBoard]
    stored: StoredTables

    @classmethod
    def find(cls, options: ReportOptions) -> Report:
        """Raises InputError if no run matches, a table cannot be read, or ``out`` is something else than a report."""
        if find_spec("matplotlib") is None:
            raise InputError("the report's figures need matplotlib: pip install 'docre-harness[report]'")
        check_replaceable(options.out)
        chosen = RunFilter(dataset=options.dataset, split=options.split)
        boards = report_boards(options.results, options.runs, chosen, options.data_dir, reported=options.reported)
        return cls(options, boards, read_stored_tables(options.results, _runs_of(boards)))

    @property
    def document_count(self) -> int:
        """Documents that will have a page: those that any run of their board was asked about."""
        return sum(
            max(run.result.manifest.documents.asked for run in board.runs)
            for board in self.boards
            if board.dataset and board.runs
        )

    @property
    def problems(self) -> list[str]:
        """The boards whose documents cannot be shown, and why."""
        return [f"{board.title}: {board.without_documents}" for board in self.boards if board.without_documents]

    def write(self, on_document: Callable[[], None] = lambda: None) -> WrittenReport:
        """Write the folder, which appears whole, in place of an earlier report; called after each document.

        A run whose records are damaged is shown with its scores alone. Raises StorageError if the folder cannot be
        written.
        """
        runs = _runs_of(self.boards)
        with new_folder(self.options.out) as folder:
            writing = _Writing(folder, Pages.into(folder), shared_lines(run.result.folder for run in runs))
            with _without_search_for_cycles():
                for number, board in enumerate(self.boards):
                    writing.write_documents(number, board, on_document)
            writing.write_pages(self.boards, self.stored)
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        damaged = list(writing.damage.values())
        return WrittenReport(self.options.out / "index.html", len(runs), len(writing.titles), size, damaged)


@dataclass
class _Writing:
    """What accumulates while a report is written.

    ``titles`` are those of its documents, by number; ``damage`` says why a run's documents are not shown.
    """

    folder: Path
    pages: Pages
    shared: Sequence[str]
    titles: list[str] = field(default_factory=list)
    analyses: dict[int, RunAnalysis] = field(default_factory=dict)
    damage: dict[int, str] = field(default_factory=dict)

    def write_documents(self, number: int, board: ReportBoard, on_document: Callable[[], None]) -> None:
        """The data of every document that a run of the board was asked about."""
        if board.dataset is None:
            return
        streams = [(run, RecordStream(run.result.folder)) for run in board.runs]
        self.analyses.update({run.number: RunAnalysis() for run in board.runs})
        for document in board.dataset.documents:
            data = None
            examiner = Examiner(document, board.dataset.schema)
            for run, stream in streams:
                if record := stream.take(document.title):
                    data = data or DocumentData(document, number, TextTable(self.shared))
                    mistakes = examiner.mistakes(record, run.by_id)
                    self.analyses[run.number].add(len(self.titles), record, mistakes)
                    data.add(run.number, record, mistakes)
            if data is not None:
                write_data(self.folder, f"document-{len(self.titles)}", data.as_json())
                self.titles.append(document.title)
                on_document()
            elif all(stream.is_over for _, stream in streams):
                break
        for run, stream in streams:
            stream.end()
            if stream.damage:
                self.damage[run.number] = stream.damage
                del self.analyses[run.number]

    def write_pages(self, boards: Sequence[ReportBoard], stored: StoredTables) -> None:
        write_data(
            self.folder,
            "shared",
            {
                "lines": self.shared,
                "documents": self.titles,
                "runs": {run.number: run.label for run in _runs_of(boards)},
                "relations": [board.relation_names for board in boards],
            },
        )
        sections = [self._board(f"board-{number}", board) for number, board in enumerate(boards, 1)]
        for board in boards:
            for run in board.runs:
                self._write_run(board, run)
        index = {"boards": sections, "figures": [self._drawn(one) for one in charts.settings_figures(stored)]}
        self.pages.write("index.html", "index.html", index)
        self.pages.write("document.html", "document.html", {})

    def _board(self, anchor: str, board: ReportBoard) -> Mapping[str, Any]:
        """What the first page tells of a board."""
        relations = tables.relations_by_frequency(board)
        heat_map = charts.heat_map(board, anchor, relations)
        analysed = [
            (run, self.analyses[run.number])
            for run in board.runs
            if run.number in self.analyses and run.result.is_scored
        ]
        note = f" ({board.note})" if board.note else ""
        ranked, unranked = f"{board.title}: ranked by F1{note}", f"{board.title}: not ranked, and why"
        return {
            "title": board.title,
            "anchor": anchor,
            "without_documents": board.without_documents,
            "labels": board.labels,
            "ranked": tables.board_table(board.ranked, board.runs, ranked),
            "unranked": tables.board_table(board.unranked, board.runs, unranked),
            "reported": tables.reported_table(board.reported, f"{board.title}: {REPORTED}"),
            "figures": [self._drawn(one) for one in charts.board_figures(board, anchor, self.analyses)],
            "heat_map": heat_map and self._drawn(heat_map),
            "relations": tables.relation_table(board, relations) if relations else None,
            "mistakes": tables.mistake_table(analysed) if analysed else None,
        }

    def _write_run(self, board: ReportBoard, run: ReportRun) -> None:
        analysis = examined = self.analyses.get(run.number)
        if analysis:
            write_data(self.folder, f"run-{run.number}", {"rows": [row.as_json() for row in analysis.rows]})
        if not run.result.is_scored:
            examined = None  # nothing says what is right
        confusion_map = examined and charts.confusion_map(board, run, examined)
        content = {
            "run": run,
            "scores": tables.score_table(run),
            "settings": tables.settings_table(run),
            "mistakes": examined and tables.run_mistakes(examined),
            "losses": tables.loss_table(run),
            "confusion": examined and tables.confusion_table(board, examined),
            "confusion_map": confusion_map and self._drawn(confusion_map),
            "relations": tables.run_relations(board, run),
            "documents": len(analysis.rows) if analysis else 0,
            "damage": self.damage.get(run.number, ""),
        }
        self.pages.write(tables.page_of(run), "run.html", content)

    def _drawn(self, figure: Figure) -> Figure:
        write_figure(self.folder / "figures", figure)
        return figure


def _runs_of(boards: Sequence[ReportBoard]) -> list[ReportRun]:
    return [run for board in boards for run in board.runs]


def check_replaceable(out: Path, flag: str = "--out") -> None:
    if out.exists() and not (out / MARK).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{flag} {out} is there and is no report: name another folder, or move it away")


@contextmanager
def _without_search_for_cycles() -> Iterator[None]:
    """Records are many and form no cycles: looking for some took a third of the time of a report of 200 runs."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def new_folder(out: Path, flag: str = "--out") -> Iterator[Path]:
    """A folder beside ``out`` that takes its place when the block ends without an error, and is removed otherwise.

    One process at a time writes a report to a place; another waits. A link is followed first: what it names is
    replaced, and nothing is removed through it.
    """
    from filelock import FileLock, Timeout

    place = out.resolve()
    folder, earlier = (place.with_name(f".{place.name}.{part}") for part in ("partial", "earlier"))
    lock = FileLock(place.with_name(f".{place.name}.lock"))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("waiting for another process that writes %s", out)
            lock.acquire()
        _remove(folder, earlier)
        for inner in ("data", "figures"):
            (folder / inner).mkdir(parents=True)
        (folder / MARK).write_text("Written by `harness report`, which may replace this folder.\n", encoding="utf-8")
        yield folder
        check_replaceable(place, flag)
        if place.exists():
            place.rename(earlier)
        folder.rename(place)
    except OSError as error:
        raise StorageError(
            f"cannot write {error.filename or out}: {error.strerror or error}. Free some space or name another {flag}"
        ) from error
    finally:
        if lock.is_locked:
            _remove(folder, earlier)
        lock.release()


def _remove(*folders: Path) -> None:
    for folder in folders:
        if folder.is_symlink():
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)
