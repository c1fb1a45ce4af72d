"""Requests of many documents collected for a batch: what the journal and earlier batches answer is read on the way."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self

from harness.engine.budget import with_usage
from harness.engine.journal import AnswerStore, request_key
from harness.engine.stop import StopSignal
from harness.engine.storable import storable
from harness.errors import FatalError, RetryableError, RunnerError
from harness.types import Batches, Completion, Document, Method, Request, Runner, Supports

# A request is handed in so many times, if its errors may pass.
MOST_TRIES = 3
# A document whose method has asked nothing for so many turns of the event loop waits for answers. It may use two turns
# more for each answer that it reads.
QUIET_TURNS = 20


IsBad = Callable[[Request, Completion], bool]
"""Whether a stored answer is one that is to be asked for again."""


class _Place(NamedTuple):
    file: Path
    offset: int
    batch: str


class BatchAnswers:
    """The lines of answer files by the key of their request; only their places are held."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._places: dict[bytes, _Place] = {}
        self._tries: Counter[bytes] = Counter()

    def add(self, file: Path, batch: str) -> None:
        """Take the lines of a file; what is no answer to a request is left alone."""
        with file.open("rb") as lines:
            offset = 0
            for line in lines:
                if (key := _key_of(line)) is not None:
                    self._places[key] = _Place(file, offset, batch)
                    self._tries[key] += 1
                offset += len(line)

    def get(self, key: bytes, request: Request) -> Completion | None:
        """The answer to a request; None if there is none yet, or only an error that may pass.

        Raises the RunnerError that the answer is, also one that has come too often to pass.
        """
        place = self._places.get(key)
        if place is None:
            return None
        with place.file.open("rb") as lines:
            lines.seek(place.offset)
            line = json.loads(lines.readline())
        try:
            completion = self._batches.read(line, request)
        except RetryableError as error:
            if self._tries[key] < MOST_TRIES:
                return None
            raise RunnerError(str(error)) from error
        return with_usage(storable(replace(completion, batch=place.batch)), request)


def _key_of(line: bytes) -> bytes | None:
    try:
        name = json.loads(line)["custom_id"]
        return bytes.fromhex(name)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


class RequestFiles:
    """Writes requests to files of bounded length; ``next_file`` names the next one."""

    def __init__(self, next_file: Callable[[], Path], most_requests: int, most_bytes: int) -> None:
        self.files: list[tuple[Path, int]] = []
        """Each file with how many requests it has."""
        self._next_file = next_file
        self._most_requests = most_requests
        self._most_bytes = most_bytes
        self._written = 0
        self._file: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: str) -> None:
        content = line.encode() + b"\n"
        is_full = self.files and (
            self.files[-1][1] >= self._most_requests or self._written + len(content) > self._most_bytes
        )
        if not self.files or is_full:
            if self._file is not None:
                self._file.close()
            path = self._next_file()
            self._file = path.open("wb")
            self.files.append((path, 0))
            self._written = 0
        self._file.write(content)
        self._written += len(content)
        path, count = self.files[-1]
        self.files[-1] = path, count + 1


class Collector:
    """Asks for documents: answers what is known, and hands every other request to ``wanted`` and lets it wait.

    ``answered`` hears of every answer of a batch that is stored. The answers that are bad, by title, are none, unless
    they were given in this ``retry``.
    """

    first_alone = False

    def __init__(
        self,
        runner: Runner,
        journal: AnswerStore,
        run_id: str,
        answers: BatchAnswers,
        wanted: Callable[[bytes, Request], None],
        answered: Callable[[Completion], None],
        bad: Mapping[str, IsBad] = MappingProxyType({}),
        retry: str = "",
    ) -> None:
        self._runner = runner
        self._journal = journal
        self._run_id = run_id
        self._answers = answers
        self._wanted = wanted
        self._answered = answered
        self._bad = bad
        self._retry = retry
        self._is_bad: IsBad | None = None
        self._seen: set[bytes] = set()
        self._asked = 0

    async def slot(self) -> None:
        """There is always one: nothing is in flight."""

    async def __call__(self, request: Request) -> Completion:
        self._asked += 1
        key = request_key(self._runner.identity, request)
        stored = self._journal.get(key)
        is_bad = stored is not None and self._is_bad is not None and self._is_bad(request, stored)
        if stored is not None and not (is_bad and not self._journal.was_given_in(self._retry, key)):
            return stored
        if (completion := self._answers.get(key, request)) is not None:
            self._answered(completion)
            return self._journal.put(key, self._run_id, completion, self._retry if is_bad else "")
        if key not in self._seen:
            self._seen.add(key)
            self._wanted(key, request)
        forever: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        return await forever

    async def collect(
        self, documents: Iterable[Document], method: Method, stop: StopSignal, until: Callable[[], bool]
    ) -> None:
        """Let ``method`` ask about every document as far as it comes, or ``until`` says to end. Raises Interrupted."""
        for document in documents:
            stop.check()
            if until():
                return
            self._asked = 0
            self._is_bad = self._bad.get(document.title)
            await self._ask_about(document, method)

    async def _ask_about(self, document: Document, method: Method) -> None:
        task = asyncio.ensure_future(method.extract(document, self))
        quiet = 0
        while not task.done() and quiet < QUIET_TURNS + 2 * self._asked:
            asked = self._asked
            await asyncio.sleep(0)
            quiet = quiet + 1 if asked == self._asked else 0
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        # Cancelled: it waits for answers. A RunnerError: the document has come to its end.
        if isinstance(outcome, Exception) and (isinstance(outcome, FatalError) or not isinstance(outcome, RunnerError)):
            raise outcome


class BatchedRunner:
    """Stands for a runner whose answers came in batches and are in the journal: it gives the errors of the others."""

    def __init__(self, runner: Runner, answers: BatchAnswers) -> None:
        self.name = runner.name
        self.supports: Supports = runner.supports
        self._runner = runner
        self._answers = answers

    @property
    def identity(self) -> Mapping[str, str]:
        return self._runner.identity

    def check(self) -> None:
        self._runner.check()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was started."""

    async def probe(self, request: Request) -> None:
        """What was tested was tested before the batches."""

    async def generate(self, request: Request) -> Completion:
        completion = self._answers.get(request_key(self.identity, request), request)
        if completion is None:
            raise RunnerError("no batch has answered this request")
        return completion
