"""The response journal: every answer a model ever gave, under the hash of everything that shaped it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Protocol, Self

from harness.errors import InputError, StorageError
from harness.json_files import json_text, text_value
from harness.types import Completion, Request, Sampling, TokenLogprob, Usage

log = logging.getLogger(__name__)

JOURNAL_FILE = "journal.sqlite"
"""The name of the file in a results folder, and in the folder of a run of a part."""

LAYOUT_VERSION = 1
_SAMPLING_FIELDS = tuple(field.name for field in fields(Sampling))
_COMPLETION_FIELDS = tuple(field.name for field in fields(Completion) if field.name != "answered_at")
_USAGE_FIELDS = tuple(field.name for field in fields(Usage))
BUSY_TIMEOUT_S = 60.0
ASKED_AGAIN = "such requests are asked for again"

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
CREATE TABLE IF NOT EXISTS retried (key BLOB PRIMARY KEY, retry TEXT NOT NULL) WITHOUT ROWID;
"""
"""``replaced`` holds the cost of answers that were paid for and are not used; ``retried`` the answers of retries."""


class Spent(NamedTuple):
    """What one run has paid for: answers it was the first to ask for, and their tokens."""

    requests: int
    prompt_tokens: int
    completion_tokens: int


class AnswerStore(Protocol):
    """What a run needs of a journal: that of its results folder, or one on another machine."""

    def get(self, key: bytes) -> Completion | None:
        """As ``Journal.get``."""
        ...

    def put(self, key: bytes, run_id: str, completion: Completion, retry: str = "") -> Completion:
        """As ``Journal.put``."""
        ...

    async def store(self, key: bytes, run_id: str, completion: Completion, retry: str = "") -> Completion:
        """As ``Journal.store``."""
        ...

    def was_given_in(self, retry: str, key: bytes) -> bool:
        """As ``Journal.was_given_in``."""
        ...

    def end_retry(self, retry: str) -> None:
        """As ``Journal.end_retry``."""
        ...

    def spent(self, run_id: str) -> Spent:
        """As ``Journal.spent``."""
        ...

    def last_answer_at(self, run_id: str, since: float, until: float) -> float | None:
        """As ``Journal.last_answer_at``."""
        ...


class _Entry(NamedTuple):
    """An answer to store, as in ``Journal.put``."""

    key: bytes
    run_id: str
    completion: Completion
    retry: str = ""


def request_key(identity: Mapping[str, str], request: Request) -> bytes:
    """The 32-byte content address of an answer: SHA-256 of canonical JSON of model and request.

    Everything that can change the answer is in it; concurrency, timeouts and API keys are not.
    """
    sampling, constraint = request.sampling, request.constraint
    content = {
        "layout": LAYOUT_VERSION,
        "model": dict(identity),
        "messages": [(message.role, message.content) for message in request.messages],
        # A setting that is left to the model is none: one that is added later changes no key.
        "sampling": {name: value for name in _SAMPLING_FIELDS if (value := getattr(sampling, name)) is not None},
        "constraint": (constraint.form, constraint.text) if constraint else None,
        "top_logprobs": request.top_logprobs,
        "repeat": request.repeat,
        **({"adapter": request.adapter} if request.adapter else {}),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).digest()


class Journal:
    """An append-mostly SQLite file in WAL mode, shared by runs and by processes.

    Each answer is committed before anybody sees it, so a killed process loses none (``synchronous=NORMAL``:
    a power cut may lose the last few, never the file). Failures are never stored. The first answer to a request
    stays, whichever process stores another; only a retry replaces one. Raises StorageError, with what to do, where the
    file cannot be used; a stored answer that cannot be read counts as none.
    """

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self.path = path
        self._has_unreadable = False
        self._pending: list[tuple[_Entry, asyncio.Future[Completion]]] = []
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
        """The stored answer, or None if this request was never answered, or its answer cannot be read."""
        row = self._first_row("SELECT CAST(completion AS BLOB), created FROM answers WHERE key = ?", key)
        if row is None:
            return None
        try:
            completion = completion_from_json(row[0])
            return replace(completion, answered_at=row[1]) if isinstance(row[1], float) else completion
        except InputError:
            if not self._has_unreadable:
                self._has_unreadable = True
                log.warning("the journal %s holds answers that cannot be read: %s", self.path, ASKED_AGAIN)
            return None

    def put(self, key: bytes, run_id: str, completion: Completion, retry: str = "") -> Completion:
        """Commit an answer and return the one that stays: the first, whose place only that of a ``retry`` takes.

        ``retry`` is the id of the retry that the answer was given in. What is not used counts as spent all the same.
        """
        with self._transaction():
            return self._stored(_Entry(key, run_id, completion, retry))

    async def store(self, key: bytes, run_id: str, completion: Completion, retry: str = "") -> Completion:
        """As ``put``, in one transaction with the answers that arrive in the same turn of the event loop."""
        loop = asyncio.get_running_loop()
        committed: asyncio.Future[Completion] = loop.create_future()
        if not self._pending:
            # Not later: an answer that is not committed is lost with the process.
            loop.call_soon(self._commit_pending)
        self._pending.append((_Entry(key, run_id, completion, retry), committed))
        return await committed

    def _commit_pending(self) -> None:
        pending, self._pending = self._pending, []
        try:
            self._commit(pending)
        except Exception:
            # An answer that cannot be stored takes no other with it.
            for one in pending:
                try:
                    self._commit([one])
                except Exception as error:
                    if not one[1].done():
                        one[1].set_exception(error)

    def _commit(self, entries: list[tuple[_Entry, asyncio.Future[Completion]]]) -> None:
        with self._transaction():
            stored = [self._stored(entry) for entry, _ in entries]
        for (_, committed), completion in zip(entries, stored, strict=True):
            if not committed.done():
                committed.set_result(completion)

    def _stored(self, entry: _Entry) -> Completion:
        """What ``put`` does, within a transaction."""
        key, run_id, completion, retry = entry
        usage = completion.usage
        spent = (run_id, usage.prompt_tokens, usage.completion_tokens)
        row = (key, run_id, time.time(), *spent[1:], usage.cached_tokens, completion_to_json(completion))
        if not retry:
            if self._connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row).rowcount:
                return completion
            if (first := self.get(key)) is not None:
                self._connection.execute("INSERT INTO replaced VALUES (?, ?, ?)", spent)
                return first
        self._connection.execute(
            "INSERT INTO replaced SELECT run_id, prompt_tokens, completion_tokens FROM answers WHERE key = ?", (key,)
        )
        self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        if retry:
            self._connection.execute("INSERT OR REPLACE INTO retried VALUES (?, ?)", (key, retry))
        return completion

    def take(self, other: Path, renamed: Mapping[str, str] = MappingProxyType({})) -> int:
        """Add the answers of another journal, and return how many are new; an answer that is here stays.

        What was paid for an answer that is not used is counted, once however often the journal is taken. ``renamed``
        maps run ids of the other journal to those that its answers are put under.
        """
        if not other.is_file():
            raise InputError(f"{other}: no such journal")
        with self._attached(other), self._transaction():
            runs = self._connection.execute("SELECT DISTINCT run_id FROM other.answers").fetchall()
            names = {str(run): renamed.get(str(run), str(run)) for (run,) in runs}
            unused = (
                "SELECT run_id, prompt_tokens, completion_tokens FROM other.replaced UNION ALL "
                "SELECT theirs.run_id, theirs.prompt_tokens, theirs.completion_tokens FROM other.answers AS theirs "
                "JOIN answers AS ours USING (key) WHERE ours.created != theirs.created"
            )
            spent = Counter((renamed.get(run, run), *tokens) for run, *tokens in self._connection.execute(unused))
            spent -= Counter(tuple(row) for row in self._connection.execute("SELECT * FROM replaced"))
            self._connection.executemany("INSERT INTO replaced VALUES (?, ?, ?)", spent.elements())
            return sum(
                self._connection.execute(
                    "INSERT OR IGNORE INTO answers SELECT key, ?, created, prompt_tokens, completion_tokens, "
                    "cached_tokens, completion FROM other.answers WHERE run_id = ?",
                    (ours, theirs),
                ).rowcount
                for theirs, ours in names.items()
            )

    @contextmanager
    def _attached(self, other: Path) -> Iterator[None]:
        """The other journal under the name ``other``; InputError for a file that is none of this layout."""
        try:
            self._connection.execute("ATTACH DATABASE ? AS other", (str(other),))
        except sqlite3.Error as error:
            raise InputError(f"{other}: cannot be read as a journal: {error}") from None
        try:
            version = self._connection.execute("PRAGMA other.user_version").fetchone()[0]
            if version != LAYOUT_VERSION:
                raise InputError(f"{other}: is no journal of layout {LAYOUT_VERSION}")
            yield
        except sqlite3.Error as error:
            raise InputError(f"{other}: cannot be read as a journal: {error}") from None
        finally:
            self._connection.execute("DETACH DATABASE other")

    def was_given_in(self, retry: str, key: bytes) -> bool:
        """Whether the answer stored under the key is one of this retry."""
        return self._first_row("SELECT 1 FROM retried WHERE key = ? AND retry = ?", key, retry) is not None

    def end_retry(self, retry: str) -> None:
        """Forget which answers this retry gave: it has come to its end."""
        with self._transaction():
            self._connection.execute("DELETE FROM retried WHERE retry = ?", (retry,))

    def spent(self, run_id: str) -> Spent:
        """What this run has asked for itself, in all its sessions, killed ones included."""
        row = self._first_row(
            "SELECT count(*), total(prompt_tokens), total(completion_tokens) FROM ("
            "  SELECT run_id, prompt_tokens, completion_tokens FROM answers"
            "  UNION ALL SELECT run_id, prompt_tokens, completion_tokens FROM replaced"
            ") WHERE run_id = ?",
            run_id,
        )
        return Spent(*map(int, row or (0, 0, 0)))

    def last_answer_at(self, run_id: str, since: float, until: float) -> float | None:
        """Unix time of the run's last answer in ``[since, until)``: when a killed session stopped."""
        row = self._first_row(
            "SELECT max(created) FROM answers WHERE run_id = ? AND created >= ? AND created < ?", run_id, since, until
        )
        return float(row[0]) if row and isinstance(row[0], int | float) else None

    def _first_row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise self._storage_error(error) from error
        return row

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All that the block does to the file, or nothing."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                yield
        except (sqlite3.Error, OverflowError) as error:
            raise self._storage_error(error) from error

    def close(self) -> None:
        try:
            if self._pending:
                self._commit_pending()
        finally:
            self._connection.close()

    def _storage_error(self, error: Exception) -> StorageError:
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        remedy = (
            "It is damaged, or no journal: end all runs that use it; then "
            f"`harness doctor --repair-journal --results-dir {self.path.parent}` saves the answers that can be read"
            if damaged
            else "Free some space, make the folder writable, or choose another with --results-dir; "
            "answers already stored are kept"
        )
        return StorageError(f"cannot use the journal {self.path}: {error}. {remedy}")


def completion_to_json(completion: Completion) -> str:
    content = {name: getattr(completion, name) for name in _COMPLETION_FIELDS}
    content = {name: value for name, value in content.items() if value or name not in ("server", "batch")}
    content["usage"] = {name: getattr(completion.usage, name) for name in _USAGE_FIELDS}
    content["logprobs"] = [
        {
            "token": token.token,
            "logprob": token.logprob,
            "top": token.top,
            **({} if token.unlisted is None else {"unlisted": token.unlisted}),
        }
        for token in completion.logprobs
    ]
    return json_text(content, separators=(",", ":"), ensure_ascii=False)


def usage_from_json(content: Mapping[str, Any]) -> Usage:
    """The usage that a stored answer tells, whatever else that was told of it."""
    return Usage(**{name: content[name] for name in _USAGE_FIELDS if name in content})


def completion_from_json(text: str | bytes) -> Completion:
    """Inverse of :func:`completion_to_json`; InputError for anything else."""
    from harness.records.answers import Answer
    from harness.records.base import parsed

    content: Any = text_value(text, "an answer", ASKED_AGAIN)
    parsed(Answer, content, "an answer", ASKED_AGAIN)
    values = {name: content[name] for name in _COMPLETION_FIELDS if name in content}
    values["adjusted"] = tuple(content.get("adjusted", ()))
    values["usage"] = usage_from_json(content["usage"])
    values["logprobs"] = tuple(
        TokenLogprob(
            item["token"],
            item["logprob"],
            tuple((token, value) for token, value in item["top"]),
            item.get("unlisted"),
        )
        for item in content["logprobs"]
    )
    return Completion(**values)
