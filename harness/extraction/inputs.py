"""Texts to extract from: files of several formats, folders, JSON lines and standard input, one at a time."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from harness.errors import InputError
from harness.extraction import readers

if TYPE_CHECKING:
    import io

STDIN = "-"
MOST_BYTES = 20 * 2**20
"""The largest file that is read as one text, and the longest line of JSON."""
_SUFFIXES = {
    ".txt": "text", ".text": "text", ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html",
    ".xhtml": "html", ".pdf": "pdf", ".jsonl": "lines", ".ndjson": "lines",
}  # fmt: skip
SUFFIXES = tuple(_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Text:
    """A plain text, without the markup of the file that it came from."""

    title: str
    source: str
    """The path that it came from; - for standard input."""
    text: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An input that gives no text, and why, in one line."""

    source: str
    problem: str


def read_inputs(names: Iterable[str]) -> Iterator[Text | Unreadable]:
    """Every text of the inputs in turn, folders in the order of their files' names; titles are made unique.

    What cannot be read is given as such, and the next input is read.
    """
    used: dict[str, int] = {}
    for name in names:
        for one in _read_input(name):
            if isinstance(one, Text):
                count = used[one.title] = used.get(one.title, 0) + 1
                while count > 1 and f"{one.title} ({count})" in used:
                    count += 1
                if count > 1:
                    title = f"{one.title} ({count})"
                    used[title] = 1
                    yield Text(title, one.source, one.text)
                    continue
            yield one


def _read_input(name: str) -> Iterator[Text | Unreadable]:
    path = Path(name)
    try:
        if not name:  # Path would take it for the current folder
            raise InputError("an input has no name, such as by an empty variable: name a file or folder, or -")
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name):
            raise InputError(
                "an address; nothing is fetched: save the page (curl -o page.html ADDRESS) and name the file"
            )
        if name == STDIN:
            stream = cast("io.BufferedReader", sys.stdin.buffer)
            if stream.peek(1).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
                yield from _read_lines(stream, STDIN, "line")
            else:
                yield from _texts_of(STDIN, stream.read(MOST_BYTES + 1), "", "standard input")
        elif path.is_dir():
            files, closed = _files(path)
            yield from closed
            if not files and not closed:
                raise InputError(f"a folder without texts: it has no file ending in {', '.join(SUFFIXES)}")
            for file in files:
                yield from _read_file(file)
        else:
            yield from _read_file(path)
    except InputError as error:
        yield Unreadable(name, str(error))
    except OSError as error:  # a name that is too long, or below a folder that may not be opened
        yield Unreadable(name, f"cannot be read: {error.strerror}")


def _files(folder: Path) -> tuple[list[Path], list[Unreadable]]:
    """The files below a folder that are of a known format, by name, and the folders that may not be opened.

    Devices and pipes are none. Links to folders are not followed, since they may lead back.
    """
    files: list[Path] = []
    closed: list[Unreadable] = []

    def tell(error: OSError) -> None:
        closed.append(Unreadable(str(error.filename), f"a folder that cannot be read: {error.strerror}"))

    for parent, _, names in os.walk(folder, onerror=tell):
        files += (Path(parent, one) for one in names if Path(one).suffix.lower() in _SUFFIXES)
    return sorted(one for one in files if not _is_special(one)), closed


def _is_special(path: Path) -> bool:
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:  # a link to nothing, for one: reading it will say so
        return False


def _read_file(path: Path) -> Iterator[Text | Unreadable]:
    try:
        kind = _SUFFIXES.get(path.suffix.lower(), "")
        if kind == "lines":
            with path.open("rb") as stream:
                yield from _read_lines(stream, str(path), path.stem)
            return
        if path.suffix.lower() == ".json":
            raise InputError('JSON, not a text: write a line {"title": "...", "text": "..."} a text into a .jsonl file')
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(
                f"{size / 2**20:,.0f} MB, more than the {MOST_BYTES // 2**20} that one text may have: split it"
            )
        with path.open("rb") as stream:  # a device has no size
            content = stream.read(MOST_BYTES + 1)
        yield from _texts_of(str(path), content, kind, path.stem)
    except InputError as error:
        yield Unreadable(str(path), str(error))
    except OSError as error:
        yield Unreadable(str(path), f"cannot be read: {error.strerror}")


def _texts_of(source: str, content: bytes, kind: str, title: str) -> Iterator[Text]:
    if len(content) > MOST_BYTES:
        raise InputError(f"more than the {MOST_BYTES // 2**20} MB that one text may have: split it")
    kind = kind or readers.kind_of(content)
    text = readers.READERS[kind](content)
    if not any(map(str.isalnum, text)):
        raise InputError("holds no sentence: no letter or digit is in it")
    yield Text(title, source, text)


def _read_lines(stream: BinaryIO, source: str, stem: str) -> Iterator[Text | Unreadable]:
    number = 0
    while line := stream.readline(MOST_BYTES + 1):
        number += 1
        if not line.strip():
            continue
        try:
            if len(line) > MOST_BYTES:
                raise InputError(f"a line of more than {MOST_BYTES // 2**20} MB, which is no text: split it")
            yield _read_line(line, source, f"{stem} {number}")
        except InputError as error:
            yield Unreadable(f"{source}, line {number}", str(error))
            if len(line) > MOST_BYTES:
                return


def _read_line(line: bytes, source: str, default_title: str) -> Text:
    try:
        content = json.loads(readers.plain_text(line))
    except (ValueError, RecursionError):
        raise InputError('is not JSON; write {"title": "...", "text": "..."}') from None
    if not isinstance(content, dict) or not isinstance(content.get("text"), str):
        raise InputError('has no text; write {"title": "...", "text": "..."}, the title optional')
    title = content.get("title")
    return text_of_json(title if isinstance(title, str) and title else default_title, source, content["text"])


def text_of_json(title: str, source: str, text: str) -> Text:
    """A text that came as a JSON string; InputError if it holds no sentence."""
    if not any(map(str.isalnum, text)):
        raise InputError("holds no sentence: no letter or digit is in its text")
    return text_of_string(title.encode("utf-8", "replace").decode(), source, text)


def text_of_string(title: str, source: str, text: str) -> Text:
    """A text that came as a string, which may hold half a surrogate pair, as no file can; offsets stay."""
    return Text(title, source, readers.without_control(text.encode("utf-8", "replace").decode()))
