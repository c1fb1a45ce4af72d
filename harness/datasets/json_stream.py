"""JSON files read in bounded memory and refused in one clear line: a list or lines of values, or one small value.

The standard decoder over a sliding window does the work. ijson was tried and measured against it: it holds a
nested or endless value whole (four million brackets exhaust the memory), turns a lone surrogate into ``?``,
and yields nothing, without an error, from a file that is no list.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from harness.datasets.opening import open_text
from harness.errors import InputError

MAX_VALUE_CHARACTERS = 4 * 2**20
"""The largest value held; 300 times the largest document of Re-DocRED's dev split."""

READ_CHARACTERS = 256 * 1024

# A value cut at the window's end is reported by the decoder at most this many characters before it:
# the longest unfinished token, "\uXXXX\uXXXX" or "-Infinity". Strings are reported at their start instead.
UNFINISHED_TOKEN = 16

_SPACE = re.compile(r"[ \t\n\r]*")


def list_values(path: Path, noun: str, member: str | None = None) -> Iterator[object]:
    """Yield the values of the file: those of one JSON list, or JSON objects one after another (JSON lines).

    ``noun`` names a value in error messages ("document"); for ``member`` and the forms of files see
    ``opening.open_text``. Raises InputError where the file cannot be read, is not UTF-8, is neither a list nor lines,
    or holds a value of more than ``MAX_VALUE_CHARACTERS``.
    """
    with _window(path, member) as window:
        first = window.peek()
        if first == "{":
            yield from _values_by_line(window, noun)
            return
        if first != "[":
            raise InputError(
                f"{path}: starts with {first!r}, which is not JSON; give a JSON list of {noun}s, or one {noun} a line"
            )
        window.take()
        if window.peek() == "]":
            window.take()
        else:
            yield from _values_until_bracket(window, noun)
        if window.peek():
            raise InputError(f"{path}: goes on after the list's closing bracket; remove what follows it")


def _values_by_line(window: _Window, noun: str) -> Iterator[object]:
    for index in itertools.count():
        yield window.value(f"{noun} {index}")
        following = window.peek()
        if not following:
            return
        if following != "{":
            raise InputError(
                f"{window.path}: {following!r} after {noun} {index}; write one {noun} a line, or all as one JSON list"
            )


def _values_until_bracket(window: _Window, noun: str) -> Iterator[object]:
    for index in itertools.count():
        yield window.value(f"{noun} {index}")
        separator = window.take()
        if separator == "]":
            return
        if not separator:
            raise InputError(f"{window.path}: ends after {noun} {index}; the file was cut off, get it whole")
        if separator != ",":
            raise InputError(f"{window.path}: {separator!r} after {noun} {index}; put a comma there")


def whole_value(path: Path, noun: str) -> object:
    """The one JSON value that is the whole of the file; the same bounds and errors as ``list_values``."""
    with _window(path) as window:
        value = window.value(noun)
        if window.peek():
            raise InputError(f"{path}: goes on after the end of {noun}; remove what follows it")
        return value


def shown(text: str) -> str:
    """The text quoted on one line and cut to a readable length, for an error message."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


class _Window:
    """The part of a text file that has been read and not yet parsed."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path = path
        self._file = file
        self._text = ""
        self._at = 0
        self._dropped = 0

    def peek(self) -> str:
        """The next character that is not white space; the empty string at the end of the file."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_more():
                return ""

    def take(self) -> str:
        """Like ``peek``, and move past the character."""
        character = self.peek()
        self._at += len(character)
        return character

    def value(self, name: str) -> object:
        """Decode the next value; ``name`` is what an error calls it."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._may_go_on(error) or not self._read_more_of(name):
                    raise self._malformed(name, error) from None
            except RecursionError:
                raise InputError(f"{self.path}: {name}: brackets are nested hundreds deep; correct the file") from None
            except _NotAllowed as fault:
                raise InputError(f"{self.path}: {name}: {fault}") from None
            except ValueError:
                # Python's own limit on the digits of an integer is the one other ValueError of the decoder.
                raise InputError(f"{self.path}: {name}: a number has thousands of digits; correct it") from None
            else:
                # A number at the window's end may go on beyond it: "-70." decodes as -70 and a dot.
                if len(self._text) - end >= UNFINISHED_TOKEN or not self._read_more():
                    self._at = end
                    return value

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        return _in_string(error) or len(self._text) - error.pos < UNFINISHED_TOKEN

    def _read_more_of(self, name: str) -> bool:
        if len(self._text) - self._at >= MAX_VALUE_CHARACTERS:
            raise InputError(
                f"{self.path}: {name} is longer than {MAX_VALUE_CHARACTERS:,} characters; split or correct it"
            )
        return self._read_more()

    def _read_more(self) -> bool:
        """Read at least as much again as is held, so that a long value is decoded a few times only."""
        try:
            piece = self._file.read(max(READ_CHARACTERS, len(self._text) - self._at))
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}: is not UTF-8 text ({error.reason}); save it as UTF-8") from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from None
        if piece:
            self._dropped += self._at
            self._text = self._text[self._at :] + piece
            self._at = 0
        return bool(piece)

    def _malformed(self, name: str, error: json.JSONDecodeError) -> InputError:
        if _in_string(error) or error.pos >= len(self._text.rstrip()):
            return InputError(f"{self.path}: ends inside {name}; the file was cut off, get it whole")
        character = self._dropped + error.pos + 1
        return InputError(
            f"{self.path}: {name}: not JSON at character {character:,} of the file ({error.msg}); correct it"
        )


@contextmanager
def _window(path: Path, member: str | None = None) -> Iterator[_Window]:
    with open_text(path, member) as file:
        window = _Window(path, file)
        if not window.peek():
            raise InputError(f"{path}: is empty; give a JSON file")
        yield window


class _NotAllowed(ValueError):
    """Something that the decoder would let pass."""


def _in_string(error: json.JSONDecodeError) -> bool:
    return error.msg.startswith("Unterminated string")


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise _NotAllowed(f"the key {shown(repeated)} is given twice in one object; keep one")
    return value


def _no_constant(name: str) -> object:
    raise _NotAllowed(f"{name} is not JSON; write a number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)
