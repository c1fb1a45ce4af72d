"""Vectors of texts on disk, so that no text is embedded twice by the same model."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StorageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

BUSY_TIMEOUT_S = 60.0
TEXTS_PER_QUERY = 500

_CREATE = """
CREATE TABLE IF NOT EXISTS vectors (
    model TEXT NOT NULL,
    text TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (model, text)
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class VectorCache:
    """A SQLite file of float32 vectors by model and text, shared by threads and by processes.

    ``model`` is a checksum of the model's files: another model under the same name finds nothing here.
    Raises StorageError where the file cannot be used.
    """

    path: Path

    def load(self, model: str, texts: Sequence[str]) -> dict[str, Vectors]:
        """The vectors that are known, by text."""
        import numpy as np

        found: dict[str, Vectors] = {}
        with self._connection() as connection:
            for start in range(0, len(texts), TEXTS_PER_QUERY):
                part = texts[start : start + TEXTS_PER_QUERY]
                places = ",".join("?" * len(part))
                query = f"SELECT text, vector FROM vectors WHERE model = ? AND text IN ({places})"
                for text, vector in connection.execute(query, (model, *part)):
                    found[text] = np.frombuffer(vector, dtype=np.float32)
        return found

    def store(self, model: str, vectors: Mapping[str, Vectors]) -> None:
        """Keep the vectors; what another process has stored meanwhile stays."""
        rows = [(model, text, vector.astype("float32").tobytes()) for text, vector in vectors.items()]
        with self._connection() as connection, connection:
            connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", rows)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each use: SQLite's may not pass from thread to thread."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S)) as connection:
                connection.execute(_CREATE)
                yield connection
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"cannot use the cache of vectors {self.path}: {error}. Free some space or delete the file, or set "
                "$HARNESS_CACHE_DIR to another folder"
            ) from error
