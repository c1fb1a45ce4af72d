"""The response journal: every answer a model ever gave, under the hash of everything that shaped it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from harness.errors import StorageError
from harness.types import Completion, Request, Sampling, TokenLogprob, Usage

LAYOUT_VERSION = 1
_SAMPLING_FIELDS = tuple(field.name for field in fields(Sampling))
BUSY_TIMEOUT_S = 60.0

_CREATE = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY,
    run_id TEXT NOT NULL,
    created REAL NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER,
    completion TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_run ON answers (run_id, created);
CREATE TABLE IF NOT EXISTS replaced (
    run_id TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL
);
"""


class Spent(NamedTuple):
    """What one run has paid for: answers it was the first to ask for, and their tokens."""

    requests: int
    prompt_tokens: int
    completion_tokens: int


def request_key(identity: Mapping[str, str], request: Request) -> bytes:
    """The 32-byte content address of an answer: SHA-256 of canonical JSON of model and request.

    Everything that can change the answer is in it; concurrency, timeouts and API keys are not.
    """
    sampling, constraint = request.sampling, request.constraint
    content = {
        "layout": LAYOUT_VERSION,
        "model": dict(identity),
        "messages": [(message.role, message.content) for message in request.messages],
        "sampling": {name: getattr(sampling, name) for name in _SAMPLING_FIELDS},
        "constraint": (constraint.form, constraint.text) if constraint else None,
        "top_logprobs": request.top_logprobs,
        "repeat": request.repeat,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).digest()


class Journal:
    """An append-mostly SQLite file in WAL mode, shared by runs and by processes.

    Each answer is committed as it arrives, so a killed process loses none (``synchronous=NORMAL``:
    a power cut may lose the last few, never the file). Failures are never stored.
    """

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite refuses a second switch to WAL at the same moment, whatever its busy timeout.
            with FileLock(path.with_name(f"{path.name}.lock"), timeout=BUSY_TIMEOUT_S):
                self._connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
                self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise self._storage_error(error) from error

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, LAYOUT_VERSION):
            raise StorageError(
                f"the journal {self.path} has layout {version}, this harness reads {LAYOUT_VERSION}: "
                "move it away, or choose another folder with --results-dir"
            )
        self._connection.executescript(_CREATE)
        self._connection.execute(f"PRAGMA user_version={LAYOUT_VERSION}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, key: bytes) -> Completion | None:
        """The stored answer, or None if this request was never answered."""
        try:
            row = self._connection.execute("SELECT completion FROM answers WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._storage_error(error) from error
        return completion_from_json(row[0]) if row else None

    def put(self, key: bytes, run_id: str, completion: Completion) -> None:
        """Commit an answer. Another one under the same key is replaced (``harness retry``), its cost kept."""
        usage = completion.usage
        row = (
            key,
            run_id,
            time.time(),
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            completion_to_json(completion),
        )
        try:
            if self.get(key) is not None:
                self._connection.execute(
                    "INSERT INTO replaced SELECT run_id, prompt_tokens, completion_tokens FROM answers WHERE key = ?",
                    (key,),
                )
            self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise self._storage_error(error) from error

    def spent(self, run_id: str) -> Spent:
        """What this run has asked for itself, in all its sessions, killed ones included."""
        row = self._connection.execute(
            "SELECT count(*), total(prompt_tokens), total(completion_tokens) FROM ("
            "  SELECT run_id, prompt_tokens, completion_tokens FROM answers"
            "  UNION ALL SELECT run_id, prompt_tokens, completion_tokens FROM replaced"
            ") WHERE run_id = ?",
            (run_id,),
        ).fetchone()
        return Spent(int(row[0]), int(row[1]), int(row[2]))

    def last_answer_at(self, run_id: str, since: float, until: float) -> float | None:
        """Unix time of the run's last answer in ``[since, until)``: when a killed session stopped."""
        row = self._connection.execute(
            "SELECT max(created) FROM answers WHERE run_id = ? AND created >= ? AND created < ?",
            (run_id, since, until),
        ).fetchone()
        return None if row[0] is None else float(row[0])

    def close(self) -> None:
        self._connection.close()

    def _storage_error(self, error: Exception) -> StorageError:
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        remedy = (
            "It is damaged, or no journal: move it away"
            if damaged
            else "Free some space, make the folder writable, or choose another with --results-dir; "
            "answers already stored are kept"
        )
        return StorageError(f"cannot use the journal {self.path}: {error}. {remedy}")


def completion_to_json(completion: Completion) -> str:
    return json.dumps(asdict(completion), separators=(",", ":"), ensure_ascii=False)


def completion_from_json(text: str) -> Completion:
    """Inverse of :func:`completion_to_json`."""
    fields = json.loads(text)
    fields["usage"] = Usage(**fields["usage"])
    fields["adjusted"] = tuple(fields.get("adjusted", ()))
    fields["logprobs"] = tuple(
        TokenLogprob(item["token"], item["logprob"], tuple((token, value) for token, value in item["top"]))
        for item in fields["logprobs"]
    )
    return Completion(**fields)
