"""JSON read from files in bounded depth and memory, each fault one line with the file and the remedy, and written.

A list, or JSON lines, is read by values, a file that a run stores by lines, anything else as one value. ``remedy`` is
what a user does about a damaged file; without one, each fault has its own.

The standard decoder over a sliding window does the work. ijson was tried and measured against it: it holds a
nested or endless value whole (four million brackets exhaust the memory), turns a lone surrogate into ``?``,
and yields nothing, without an error, from a file that is no list.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from harness.errors import InputError, StorageError
from harness.opening import open_text, opened

MAX_VALUE_CHARACTERS = 4 * 2**20
"""The largest value of a list; 300 times the largest document of Re-DocRED's dev split."""

MAX_STORED_CHARACTERS = 256 * 2**20
"""The largest file or line that a run stores; 30 times the metrics of a run over DocRED's 101,873 distant documents."""

MAX_DEPTH = 100
"""How many brackets may stand in each other; a run stores eight."""

READ_CHARACTERS = 256 * 1024

# A value cut at the window's end is reported by the decoder at most this many characters before it:
# the longest unfinished token, "\uXXXX\uXXXX" or "-Infinity". Strings are reported at their start instead.
UNFINISHED_TOKEN = 16

_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
_VALUES = ('"', *"0123456789")
"""What values of JSON begin with, other than lists and objects; true, false and null begin as plain text may."""
_SPACE = re.compile(r"[ \t\n\r]*")


def list_values(path: Path, noun: str, member: str | None = None) -> Iterator[object]:
    """Yield the values of the file: those of one JSON list, or JSON objects one after another (JSON lines).

    ``noun`` names a value in error messages ("document"); for ``member`` and the forms of files see
    ``opening.open_text``. Raises InputError where the file cannot be read, is not UTF-8, is neither a list nor lines,
    or holds a value of more than ``MAX_VALUE_CHARACTERS``.
    """
    with _window(path, "", member=member) as window:
        first = window.peek()
        if first == "{":
            yield from _values_by_line(window, noun)
            return
        if first != "[":
            what = f"starts with {first!r}, which is {'no list' if first in _VALUES else 'not JSON'}"
            raise window.fault(what, f"give a JSON list of {noun}s, or one {noun} a line")
        window.take()
        if window.peek() == "]":
            window.take()
        else:
            yield from _values_until_bracket(window, noun)
        if window.peek():
            raise window.fault("goes on after the list's closing bracket", "remove what follows it")


def _values_by_line(window: _Window, noun: str) -> Iterator[object]:
    for index in itertools.count():
        yield window.value(f"{noun} {index}")
        following = window.peek()
        if not following:
            return
        if following != "{":
            what = f"{following!r} after {noun} {index}"
            raise window.fault(what, f"write one {noun} a line, or all as one JSON list")


def _values_until_bracket(window: _Window, noun: str) -> Iterator[object]:
    for index in itertools.count():
        yield window.value(f"{noun} {index}")
        separator = window.take()
        if separator == "]":
            return
        if not separator:
            raise window.fault(f"ends after {noun} {index}", "the file was cut off, get it whole")
        if separator != ",":
            raise window.fault(f"{separator!r} after {noun} {index}", "put a comma there")


def whole_value(path: Path, noun: str, *, remedy: str = "", most: int = MAX_VALUE_CHARACTERS) -> object:
    """The one JSON value that is the whole of the file; errors as of ``list_values``, ``most`` characters long."""
    with _window(path, remedy, most) as window:
        value = window.value(noun)
        if window.peek():
            raise window.fault(f"goes on after the end of {noun}", "remove what follows it")
        _check_value(value, window.held, f"{path}: {noun}", remedy)
        return value


def line_values(path: Path, remedy: str) -> Iterator[tuple[str, object]]:
    """The JSON value of every line that is not blank, before it where it stands, in words for messages.

    Raises InputError as ``list_values`` does, naming file and line.
    """
    with opened(path) as lines:
        for number in itertools.count(1):
            where = f"{path}, line {number}"
            try:
                line = lines.readline(MAX_STORED_CHARACTERS + 1)
            except OSError as error:
                raise InputError(f"{where}: cannot be read: {error.strerror}") from None
            if len(line) > MAX_STORED_CHARACTERS:
                raise InputError(f"{where}: is longer than {MAX_STORED_CHARACTERS:,} bytes; {remedy}")
            if not line:
                return
            if line.strip():
                yield where, text_value(line, where, remedy)


def text_value(text: str | bytes, where: str, remedy: str) -> object:
    """The value that a whole text in JSON stands for; InputError that names ``where``."""
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        value: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: is not JSON at character {error.pos + 1:,} ({error.msg}); {remedy}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: is not UTF-8 text ({error.reason}); {remedy}") from None
    except (RecursionError, ValueError) as error:
        raise _refusal(error, where, remedy) from None
    _check_value(value, text, where, remedy)
    return value


def json_text(content: object, **style: Any) -> str:
    """What ``json.dumps`` makes of the content; StorageError where it holds infinity or NaN, which JSON has not."""
    try:
        return json.dumps(content, allow_nan=False, **style)
    except ValueError as error:
        raise StorageError(f"a result is no finite number and was not stored ({error}); please report it") from error


def shown(text: str) -> str:
    """The text quoted on one line and cut to a readable length, for an error message."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


class _Window:
    """The part of a text file that has been read and not yet parsed."""

    def __init__(self, path: Path, file: TextIO, remedy: str, most: int) -> None:
        self.path = path
        self._file = file
        self._remedy = remedy
        self._most = most
        self._text = ""
        self._at = 0
        self._dropped = 0

    @property
    def held(self) -> str:
        """What has been read and is not dropped: at least the last value."""
        return self._text

    def fault(self, what: str, remedy: str) -> InputError:
        """What is wrong with the file, and what to do: the window's remedy if it has one."""
        return InputError(f"{self.path}: {what}; {self._remedy or remedy}")

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
            except (RecursionError, ValueError) as error:
                raise _refusal(error, f"{self.path}: {name}", self._remedy) from None
            else:
                # A number at the window's end may go on beyond it: "-70." decodes as -70 and a dot.
                if len(self._text) - end >= UNFINISHED_TOKEN or not self._read_more():
                    self._at = end
                    return value

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        return _in_string(error) or len(self._text) - error.pos < UNFINISHED_TOKEN

    def _read_more_of(self, name: str) -> bool:
        if len(self._text) - self._at >= self._most:
            raise self.fault(f"{name} is longer than {self._most:,} characters", "split or correct it")
        return self._read_more()

    def _read_more(self) -> bool:
        """Read at least as much again as is held, so that a long value is decoded a few times only."""
        try:
            piece = self._file.read(max(READ_CHARACTERS, len(self._text) - self._at))
        except UnicodeDecodeError as error:
            raise self.fault(f"is not UTF-8 text ({error.reason})", "save it as UTF-8") from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from None
        if piece:
            self._dropped += self._at
            self._text = self._text[self._at :] + piece
            self._at = 0
        return bool(piece)

    def _malformed(self, name: str, error: json.JSONDecodeError) -> InputError:
        if _in_string(error) or error.pos >= len(self._text.rstrip()):
            return self.fault(f"ends inside {name}", "the file was cut off, get it whole")
        character = self._dropped + error.pos + 1
        return self.fault(f"{name}: not JSON at character {character:,} of the file ({error.msg})", "correct it")


@contextmanager
def _window(path: Path, remedy: str, most: int = MAX_VALUE_CHARACTERS, member: str | None = None) -> Iterator[_Window]:
    with open_text(path, member) as file:
        window = _Window(path, file, remedy, most)
        if not window.peek():
            raise window.fault("is empty", "give a JSON file")
        yield window


def _refusal(error: RecursionError | ValueError, where: str, remedy: str) -> InputError:
    """What the decoder refuses besides text that is not JSON, told in one line."""
    if isinstance(error, RecursionError):
        return InputError(f"{where}: brackets are nested hundreds deep; {remedy or 'correct the file'}")
    if isinstance(error, _NotAllowed):
        return InputError(f"{where}: {error}; {remedy or error.remedy}")
    # Python's own limit on the digits of an integer is the one other ValueError of the decoder.
    return InputError(f"{where}: a number has thousands of digits; {remedy or 'correct it'}")


def _check_value(value: object, text: str, where: str, remedy: str) -> None:
    """Refuse a value that the code after the reader could not walk through or write; ``text`` spells it.

    That code calls itself at every bracket, and JSON can spell half a character, which no UTF-8 file holds.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            break
    else:
        raise InputError(f"{where}: brackets are nested more than {MAX_DEPTH} deep; {remedy or 'correct the file'}")
    if _HALF_CHARACTER.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError(f"{where}: half a character (\\ud800 to \\udfff); {remedy or 'correct it'}") from None


class _NotAllowed(ValueError):
    """Something that the decoder would let pass."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(fault)
        self.remedy = remedy


def _in_string(error: json.JSONDecodeError) -> bool:
    return error.msg.startswith("Unterminated string")


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise _NotAllowed(f"the key {shown(repeated)} is given twice in one object", "keep one")
    return value


def _no_constant(name: str) -> object:
    raise _NotAllowed(f"{name} is not JSON", "write a number")


def finite(digits: str) -> float:
    """The number that is written; ValueError for one that is none, or that is not finite."""
    number = float(digits)
    if not math.isfinite(number):
        raise _NotAllowed(f"the number {shown(digits)} is none that can be computed with", "correct it")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=finite)
