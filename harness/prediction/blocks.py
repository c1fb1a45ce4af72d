"""A corpus in files as blocks of rows, each read without the others: Parquet, JSON lines, or a DocRED file."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.datasets.docred import CANDIDATES, document_of
from harness.datasets.fields import Fault, refusal
from harness.datasets.parquet import TEXT_COLUMNS, rows_of
from harness.errors import InputError
from harness.json_files import list_values, text_value
from harness.label_source import HUMAN
from harness.types import Document

SUFFIXES = (".parquet", ".jsonl", ".json")
_MARK = b"\xef\xbb\xbf"
"""The byte order mark that some programs begin a UTF-8 file with."""


@dataclass(frozen=True)
class Block:
    """The rows ``first`` to ``end`` of a file; ``offset`` is the byte at which the first begins in JSON lines."""

    file: str
    number: int
    first: int
    end: int
    offset: int = 0

    @property
    def name(self) -> str:
        """The name of the file that holds its predictions: files and rows in their order."""
        return f"part-{self.number:05d}-{self.first:010d}.parquet"


@dataclass(frozen=True)
class Row:
    """A document, or what is wrong with the row that should hold one, in a line that names file and row."""

    number: int
    document: Document | None
    error: str = ""


def files_of(source: str) -> list[str]:
    """The corpus files that a file, folder, pattern or fsspec address names; InputError where there is none."""
    if "://" in source:
        import fsspec

        system, path = fsspec.core.url_to_fs(source)
        found = [path] if system.isfile(path) else system.glob(path if "*" in path else f"{path.rstrip('/')}/*")
        files = [system.unstrip_protocol(one) for one in found]
    elif Path(source).is_dir():
        files = [str(one) for one in Path(source).iterdir() if one.is_file()]
    else:
        files = [source] if Path(source).is_file() else glob.glob(source)  # noqa: PTH207 - a pattern may be absolute
    files = sorted(one for one in files if one.endswith(SUFFIXES) and Path(one).name != "rel_info.json")
    if not files:
        raise InputError(f"{source}: no corpus there; give files that end in {', '.join(SUFFIXES)}")
    return files


def blocks_of(files: list[str], size: int) -> Iterator[Block | InputError]:
    """The blocks of ``size`` rows of all files; an error takes the place of what cannot be read of a file."""
    for number, file in enumerate(files):
        try:
            for first, end, offset in _line_places(file, size) if _has_lines(file) else _places(file, size):
                yield Block(file, number, first, end, offset)
        except InputError as error:
            yield error
        except (OSError, ValueError) as error:
            yield InputError(f"{file}: cannot be read ({error})")


class BlockReader:
    """Reads blocks; those that follow one another in a file are read on from where the one before ended."""

    def __init__(self) -> None:
        self._file = ""
        self._at = 0
        self._values: Iterator[tuple[object, str]] = iter(())

    def rows(self, block: Block) -> list[Row]:
        """The rows of a block; a bad one tells what is wrong. InputError where the file cannot be read on."""
        try:
            if (self._file, self._at) != (block.file, block.first):
                self._values = _values_from(block)
            self._file, self._at = block.file, block.end
            values = list(itertools.islice(self._values, block.end - block.first))
        except (OSError, ValueError) as error:
            self._file = ""
            raise InputError(f"{block.file}, rows {block.first} to {block.end - 1}: cannot be read ({error})") from None
        except InputError:
            self._file = ""
            raise
        if len(values) != block.end - block.first:
            self._file = ""
            raise InputError(f"{block.file}: ends before row {block.end}; it was changed while it was read")
        return [_row(block.file, number, *one) for number, one in enumerate(values, block.first)]


def _row(file: str, number: int, value: object, error: str) -> Row:
    if error:
        return Row(number, None, error)
    try:
        unlabelled = {key: one for key, one in value.items() if key != "labels"} if isinstance(value, dict) else value
        return Row(number, document_of(unlabelled, None, HUMAN))
    except Fault as fault:
        return Row(number, None, str(refusal(file, f"row {number}", value, fault)))


def _places(file: str, size: int) -> Iterator[tuple[int, int, int]]:
    """First row, end and no offset of each block of a Parquet file, or of a list in JSON."""
    if file.endswith(".parquet"):
        import pyarrow.parquet as parquet

        with _opened(file) as opened:
            rows = parquet.ParquetFile(opened).metadata.num_rows
        yield from ((first, min(first + size, rows), 0) for first in range(0, rows, size))
        return
    first = end = 0
    for _ in list_values(_local(file), "row"):
        end += 1
        if end - first == size:
            yield first, end, 0
            first = end
    if end > first:
        yield first, end, 0


def _line_places(file: str, size: int) -> Iterator[tuple[int, int, int]]:
    """First row, end and byte of each block of lines."""
    first = end = offset = start = 0
    with _opened(file) as opened:
        for line in opened:
            offset += len(line)
            if not line.strip():
                continue
            end += 1
            if end - first == size:
                yield first, end, start
                first, start = end, offset
    if end > first:
        yield first, end, start


def _values_from(block: Block) -> Iterator[tuple[object, str]]:
    """The values from a block's first row on, each with what is wrong with it."""
    if block.file.endswith(".parquet"):
        yield from ((value, "") for value in _parquet_rows(block.file, block.first))
    elif _has_lines(block.file):
        with _opened(block.file) as opened:
            opened.seek(block.offset)
            lines = (line.removeprefix(_MARK) if block.offset == 0 else line for line in opened)
            for number, line in enumerate(filter(bytes.strip, lines), block.first):
                try:
                    yield text_value(line, f"{block.file}: row {number}", "correct the line or leave it out"), ""
                except InputError as error:
                    yield None, str(error)
    else:
        values = list_values(_local(block.file), "row")
        yield from ((value, "") for value in itertools.islice(values, block.first, None))


def _parquet_rows(file: str, first: int) -> Iterator[object]:
    with _opened(file) as opened:
        yield from rows_of(opened, (*TEXT_COLUMNS, CANDIDATES), first)


def _has_lines(file: str) -> bool:
    """Whether a file has a document a line; one named .jsonl may hold a list all the same."""
    if not file.endswith(".jsonl"):
        return False
    with _opened(file) as opened:
        return not opened.read(64).removeprefix(_MARK).lstrip().startswith(b"[")


def _opened(file: str) -> Any:
    """The file's bytes, from wherever fsspec reads."""
    if "://" not in file:
        return Path(file).open("rb")
    import fsspec

    return fsspec.open(file, "rb").open()


def _local(file: str) -> Path:
    """The file, or a copy of a remote one: a list in JSON is read by the reader of DocRED files."""
    if "://" not in file:
        return Path(file)
    import fsspec

    return Path(fsspec.open_local(f"simplecache::{file}"))
