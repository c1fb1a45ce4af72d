"""Results written text by text, as soon as each is there: JSON lines, a CSV of triplets, DocRED's format."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from harness.datasets.docred_output import document_output, write_schema
from harness.errors import InputError, StorageError
from harness.extraction.explanation import explanation
from harness.extraction.graphs import GRAPH_WRITERS
from harness.extraction.pipeline import Outcome
from harness.extraction.results import TRIPLET_COLUMNS, triplet_rows
from harness.json_files import json_text
from harness.types import RelationSchema

FORMATS = {
    "jsonl": (".jsonl", ".ndjson"),
    "csv": (".csv",),
    "docred": (".docred.json",),
    "graphml": (".graphml",),
    "node-link": (".json",),
    "turtle": (".ttl",),
    "text": (".txt",),
}
"""Formats, and the endings of files that stand for them."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""A cell that begins so is a formula to a spreadsheet; the wide signs, to one in Chinese or Japanese."""


class Writer(Protocol):
    def write(self, outcome: Outcome) -> None: ...


class _Written(Protocol):
    """A text file that is written to."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...


def format_of(name: str | None, out: Path | None, *, explain: bool = False, merge: bool = False) -> str:
    """The format asked for, or that of the file's ending, or JSON lines; InputError where they tell of none.

    To ``explain``, it is text unless JSON lines are asked for; only graphs ``merge`` entities.
    """
    kind = _format_of(name, out, "text" if explain else "jsonl")
    if explain and kind not in ("jsonl", "text"):
        raise InputError(f"--explain: {kind} has no place for it; write --format text or jsonl")
    if merge and kind not in GRAPH_WRITERS:
        raise InputError(f"--merge: {kind} is no graph; write --format {', '.join(GRAPH_WRITERS)}")
    return kind


def _format_of(name: str | None, out: Path | None, default: str) -> str:
    if name is not None:
        if name not in FORMATS:
            raise InputError(f"--format {name}: write {', '.join(FORMATS)}")
        return name
    if out is None:
        return default
    for kind, endings in FORMATS.items():
        if out.name.lower().endswith(endings):
            return kind
    raise InputError(f"--out {out}: its ending tells no format; write --format {', '.join(FORMATS)}")


@contextmanager
def writer(
    kind: str, out: Path | None, schema: RelationSchema, *, merge: bool = False, explain: bool = False
) -> Iterator[Writer]:
    """What takes the results one after the other; without a file they go to standard output.

    A file appears when all is written, but for JSON lines, CSV and text, which grow; one that was there is replaced
    then. ``merge`` makes one node of the entities of a name and type in all texts (graphs only); with ``explain``,
    JSON lines have the ranking of each pair. Raises StorageError where a file cannot be written.
    """
    if kind == "docred":
        if out is None:
            raise InputError("--format docred needs a file: give --out FILE.json")
        with document_output(out) as output:
            yield _Docred(output.write)
        write_schema(out.with_name("rel_info.json"), schema)
    elif kind in GRAPH_WRITERS:
        graph = GRAPH_WRITERS[kind](merge)
        # Opened before the texts are read: a place that cannot be written is told at once.
        with _opened(out, whole=True) as file:
            yield graph
            file.write(graph.text())
    else:
        with _opened(out) as file:
            rows = _Csv(file) if kind == "csv" else _Explained(file) if kind == "text" else _Lines(file, explain)
            yield rows
            rows.end()


@contextmanager
def _opened(out: Path | None, *, whole: bool = False) -> Iterator[_Written]:
    """The file to write, or standard output.

    What a file has is kept until all is written: until then results are in ``FILE.partial``, which stays where the
    writing is stopped. It is opened at once, so that a place that cannot be written is told before models run, and
    what it holds of an earlier command goes with the first result; one without a result leaves nothing. With
    ``whole``, nothing of a stopped writing stays.
    """
    if out is None:
        yield sys.stdout
        return
    is_device = out.exists() and not out.is_file()
    is_replaced = not is_device and (whole or out.exists())
    place = out.with_name(f"{out.name}.partial") if is_replaced else out
    is_new = not place.exists()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        emptied = None
        try:
            with place.open("w" if whole or is_device else "a", encoding="utf-8", newline="") as file:
                emptied = None if whole or is_device else _Emptied(file)
                yield emptied or file
            if is_replaced:
                place.replace(out)
        finally:
            if (whole and is_replaced) or (is_new and emptied and not emptied.is_written):
                place.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error.strerror or error}") from error


@dataclass
class _Emptied:
    """A file whose earlier content goes with the first write."""

    file: IO[str]
    is_written: bool = False

    def write(self, text: str) -> int:
        if not self.is_written:
            self.file.truncate(0)
            self.is_written = True
        return self.file.write(text)

    def flush(self) -> None:
        self.file.flush()


class _Lines:
    def __init__(self, file: _Written, explain: bool) -> None:
        self._file = file
        self._explain = explain

    def write(self, outcome: Outcome) -> None:
        content = outcome.extracted.as_json(explain=self._explain)
        self._file.write(json_text(content, ensure_ascii=False) + "\n")
        self._file.flush()

    def end(self) -> None:
        self._file.write("")


class _Explained:
    def __init__(self, file: _Written) -> None:
        self._file = file
        self._before = ""

    def write(self, outcome: Outcome) -> None:
        self._file.write(self._before + explanation(outcome.extracted))
        self._file.flush()
        self._before = "\n"

    def end(self) -> None:
        self._file.write("")


class _Csv:
    def __init__(self, file: _Written) -> None:
        self._file = file
        self._rows = csv.writer(file, lineterminator="\n")
        self._begun = False

    def end(self) -> None:
        """The names of the columns, also where there is no text."""
        if not self._begun:
            self._rows.writerow(TRIPLET_COLUMNS)
            self._begun = True

    def write(self, outcome: Outcome) -> None:
        self.end()
        for row in triplet_rows(outcome.extracted):
            self._rows.writerow([safe_cell(value) for value in row.values()])
        self._file.flush()


class _Docred:
    def __init__(self, write: object) -> None:
        self._write = write

    def write(self, outcome: Outcome) -> None:
        assert callable(self._write)
        self._write(outcome.document)


def safe_cell(value: object) -> object:
    """The value; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    if isinstance(value, str):
        value = value.replace("\x00", " ")
        if value.lstrip(" \n").startswith(_FORMULA):
            return f"'{value}"
    return "" if value is None else value
