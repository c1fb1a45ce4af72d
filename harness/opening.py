"""Opening a data file as text: plain or gzip, told apart by content; other containers are refused by name."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TextIO

from harness.errors import InputError

BUFFER_BYTES = 64 * 1024
UNPACKED_BYTES = 64 * 2**20
"""What any compressed file may unpack to."""
UNPACKED_RATIO = 100
"""And how many times its own size a larger one may: ten times what text in DocRED's format reaches."""

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_DAMAGE = (EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)
_UNPACK = "unpack it and give the JSON file in it"
_CONVERT = "convert it to JSON, one document a line"
_OTHER_FORMS = {
    _GZIP: ("gzipped twice", "unpack it once"),
    _ZIP: ("a zip archive", _UNPACK),
    b"PK\x05\x06": ("an empty zip archive", "get it whole"),
    b"BZh": ("compressed by bzip2", "unpack it, or compress it by gzip"),
    b"\xfd7zXZ\0": ("compressed by xz", "unpack it, or compress it by gzip"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unpack it, or compress it by gzip"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!": ("a rar archive", _UNPACK),
    b"PAR1": ("a Parquet file", "name a corpus .parquet, and convert other files to JSON"),
    b"ARROW1": ("an Arrow file", _CONVERT),
    b"\x89HDF": ("an HDF5 file", _CONVERT),
    b"SQLite format 3\0": ("an SQLite database", _CONVERT),
    b"\x80\x03": ("a Python pickle", _CONVERT),
    b"\x80\x04": ("a Python pickle", _CONVERT),
    b"\x80\x05": ("a Python pickle", _CONVERT),
    b"version https://git-lfs": ("a pointer of Git LFS, not the data", "run `git lfs pull` in its repository"),
    b"<": ("a web page or XML, not JSON", "download the data file itself"),
}
_TAR_MARK = slice(257, 262)


@contextmanager
def open_text(path: Path, member: str | None = None) -> Iterator[TextIO]:
    """The text of a UTF-8 file (a byte order mark is skipped), unpacked as it is read.

    With ``member``, a zip archive is read too: the file of that name in it, or else its only .json or .jsonl file.
    Raises InputError for a file that is missing, unreadable or of another form; while reading, for damage, and for
    content that unpacks to more than ``UNPACKED_RATIO`` times its size and ``UNPACKED_BYTES``.
    """
    with ExitStack() as stack:
        file = stack.enter_context(opened(path))
        head = file.peek(BUFFER_BYTES)
        if head.startswith(_GZIP):
            unpacked = stack.enter_context(gzip.GzipFile(fileobj=file))
            file = _bounded(path, unpacked, os.fstat(file.fileno()).st_size)
        elif head.startswith(_ZIP) and member is not None:
            file = stack.enter_context(_member(path, file, member))
        _refuse_other_forms(path, file.peek(BUFFER_BYTES))
        yield stack.enter_context(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))


def opened(path: Path) -> io.BufferedReader:
    """The bytes of a file; InputError where it is missing, unreadable or no file."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise InputError(f"{path}: is a folder; give a file in it")
        if not stat.S_ISREG(kind):
            # Opening a pipe would wait for somebody to write to it.
            raise InputError(f"{path}: is no regular file; give one")
        return path.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the name") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be opened: {error}") from None


@contextmanager
def _member(path: Path, file: io.BufferedReader, wanted: str) -> Iterator[io.BufferedReader]:
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise _damaged(path, error) from None
    with archive:
        members = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
        named = [one for one in members if Path(one.filename).name == wanted]
        only = [one for one in members if one.filename.endswith((".json", ".jsonl"))]
        found = named if len(named) == 1 else only
        if len(found) != 1:
            held = ", ".join(repr(one.filename) for one in members[:5]) or "nothing"
            raise InputError(f"{path}: holds {held}, not one {wanted}; put the predictions into a file of that name")
        if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or found[0].flag_bits & 1:
            raise InputError(f"{path}: {wanted} is encrypted or packed by another method than deflate; pack it anew")
        try:
            unpacked = archive.open(found[0])
        except _DAMAGE as error:
            raise _damaged(path, error) from None
        with unpacked:
            yield _bounded(path, unpacked, found[0].compress_size)


def _refuse_other_forms(path: Path, head: bytes) -> None:
    if head[_TAR_MARK] == b"ustar":
        raise InputError(f"{path}: is a tar archive; {_UNPACK}")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for start, (what, remedy) in _OTHER_FORMS.items():
        if text.startswith(start):
            raise InputError(f"{path}: is {what}; {remedy}")


def _damaged(path: Path, error: BaseException) -> InputError:
    return InputError(f"{path}: is damaged or was cut off ({error}); get it whole")


def _bounded(path: Path, unpacked: gzip.GzipFile | IO[bytes], size: int) -> io.BufferedReader:
    return io.BufferedReader(_Unpacked(path, unpacked, max(UNPACKED_BYTES, UNPACKED_RATIO * size)), BUFFER_BYTES)


class _Unpacked(io.RawIOBase):
    """What a compressed file holds, of which at most ``limit`` bytes are read."""

    def __init__(self, path: Path, source: gzip.GzipFile | IO[bytes], limit: int) -> None:
        self._path = path
        self._source = source
        self._left = self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # Buffer is not in 3.11
        try:
            piece = self._source.read(len(buffer))
        except _DAMAGE as error:
            raise _damaged(self._path, error) from None
        self._left -= len(piece)
        if self._left < 0:
            raise InputError(
                f"{self._path}: unpacks to more than {self._limit:,} bytes, {UNPACKED_RATIO} times its size or more; "
                "unpack it yourself if it is what you expect"
            )
        buffer[: len(piece)] = piece
        return len(piece)
