"""A damaged journal made anew from the answers that can be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from harness.engine.journal import BUSY_TIMEOUT_S, Journal
from harness.errors import StorageError

_SECTIONS = 256


def repair_journal(path: Path) -> tuple[int, Path]:
    """How many answers were saved, and where the damaged file is now; the new journal takes its place.

    No other process may be using the journal. Raises StorageError where files cannot be read or written.
    """
    from filelock import FileLock

    kept, new = (path.with_name(f"{path.name}.{name}") for name in ("damaged", "repaired"))
    if not path.is_file() or kept.exists():
        raise StorageError(f"{kept} is there already: move it away" if kept.exists() else f"{path}: no such journal")
    try:
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=BUSY_TIMEOUT_S):
            for file in _files_of(new):
                file.unlink(missing_ok=True)
            with closing(sqlite3.connect(path)) as damaged:
                damaged.text_factory = _text
                saved = _copy(damaged, new)
            for file, place in zip(_files_of(path), _files_of(kept), strict=True):
                if file.exists():
                    file.rename(place)
            new.rename(path)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"cannot repair the journal {path}: {error}. Move it away to start a new one") from error
    return saved, kept


def _copy(damaged: sqlite3.Connection, new: Path) -> int:
    Journal(new).close()
    with closing(sqlite3.connect(new)) as connection, connection:
        for row in _answers(damaged):
            connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        with suppress(sqlite3.Error):
            for row in damaged.execute("SELECT * FROM replaced"):
                connection.execute("INSERT INTO replaced VALUES (?, ?, ?)", row)
        return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])


def _answers(damaged: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    """Every row on either side of a damaged page, some twice: keys are spread evenly, and read from both ends."""
    for section in range(_SECTIONS):
        after = bytes([section])
        before = bytes([section + 1]) if section + 1 < _SECTIONS else b"\xff" * 33
        for order in ("ASC", "DESC"):
            query = f"SELECT * FROM answers WHERE key >= ? AND key < ? ORDER BY key {order}"
            with suppress(sqlite3.Error):
                yield from damaged.execute(query, (after, before))


def _text(stored: bytes) -> str:
    """A text; an empty one, which is no answer, for what is not UTF-8."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return ""


def _files_of(journal: Path) -> list[Path]:
    """The file of a journal, and what SQLite keeps beside it."""
    return [journal.with_name(f"{journal.name}{suffix}") for suffix in ("", "-wal", "-shm")]
