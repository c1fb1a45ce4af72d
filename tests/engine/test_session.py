"""A runner is started and probed once, by the first request that needs it, and stopped with its session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from harness.engine import waiting
from harness.engine.asking import Asker
from harness.engine.budget import NO_LIMITS, Budget
from harness.engine.endpoints import Endpoints
from harness.engine.journal import Journal
from harness.engine.limiter import AdaptiveLimiter
from harness.engine.retry import RetryPolicy
from harness.engine.session import RunnerSession
from harness.engine.stop import Interrupted, StopSignal
from harness.errors import FatalError, RetryableError
from harness.types import Completion, Constraint, Message, Request, Usage
from runners.mock import MockRunner

LONG_S = 600.0


class Recorded(MockRunner):
    """A mock that tells what is done with it; ``start`` and ``answer_s`` say how long that takes."""

    def __init__(self, start: Callable[[], object] = lambda: None, answer_s: float = 0.0) -> None:
        super().__init__(latency_s=answer_s)
        self.done: list[str] = []
        self.failures: list[Exception] = []
        self._start = start

    async def __aenter__(self) -> Self:
        self.done.append("start")
        try:
            if asyncio.iscoroutine(waiting := self._start()):
                await waiting
        except asyncio.CancelledError:
            self.done.append("start ended")
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.done.append("stop")

    async def probe(self, request: Request) -> None:
        self.done.append(f"probe {request.constraint.form if request.constraint else 'none'}")
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield journal


def asker_of(session: RunnerSession, journal: Journal, timeout_s: float = LONG_S, retries: int = 2) -> Asker:
    stop = StopSignal()
    return Asker(
        session=session,
        journal=journal,
        run_id="run",
        budget=Budget(NO_LIMITS, None, Usage()),
        endpoints=Endpoints(session, lambda: AdaptiveLimiter(8, sleep=stop.sleep)),
        policy=RetryPolicy(retries=retries, base_s=0.0),
        stop=stop,
        timeout_s=timeout_s,
    )


def asked(text: str, constraint: Constraint | None = None) -> Request:
    return Request((Message("user", text),), constraint=constraint)


async def test_many_requests_start_and_probe_one_runner_once(journal: Journal) -> None:
    runner = Recorded(lambda: asyncio.sleep(0.01))
    async with RunnerSession(runner) as session:
        asker = asker_of(session, journal)
        await asyncio.gather(*(asker.answer(asked(str(number))) for number in range(20)))
    assert runner.done == ["start", "probe none", "stop"]
    assert len(runner.requests) == 20


async def test_each_form_is_probed_before_its_first_request(journal: Journal) -> None:
    runner = Recorded()
    async with RunnerSession(runner) as session:
        asker = asker_of(session, journal)
        for form in ("gbnf", "regex", "gbnf"):
            await asker.answer(asked("text", Constraint(form, "a")))
    assert runner.done == ["start", "probe gbnf", "probe regex", "stop"]


async def test_stored_answers_start_nothing(journal: Journal) -> None:
    async with RunnerSession(MockRunner()) as session:
        await asker_of(session, journal).answer(asked("text"))
    runner = Recorded()
    async with RunnerSession(runner) as session:
        asker = asker_of(session, journal)
        await asker.answer(asked("text"))
    assert asker.traffic.replayed == 1
    assert runner.done == []


async def test_runs_that_share_a_session_share_its_model(journal: Journal) -> None:
    runner = Recorded()
    async with RunnerSession(runner) as session:
        for text in ("one", "two"):
            await asker_of(session, journal).answer(asked(text))
    assert runner.done == ["start", "probe none", "stop"]


async def test_a_start_longer_than_the_limit_of_a_request_is_waited_for(journal: Journal) -> None:
    runner = Recorded(lambda: asyncio.sleep(0.05))
    async with RunnerSession(runner) as session:
        asker = asker_of(session, journal, timeout_s=0.02)
        await asker.answer(asked("text"))
    assert runner.done == ["start", "probe none", "stop"]
    assert asker.traffic.retried == 0


async def test_a_request_longer_than_its_limit_is_asked_again_and_then_fails(journal: Journal) -> None:
    runner = Recorded(answer_s=LONG_S)
    async with RunnerSession(runner) as session:
        with pytest.raises(RetryableError, match=r"--timeout 0\.01 s"):
            await asker_of(session, journal, timeout_s=0.01).answer(asked("text"))
    assert len(runner.requests) == 3
    assert runner.done == ["start", "probe none", "stop"]


async def test_a_stop_ends_the_start_at_once(journal: Journal) -> None:
    runner = Recorded(lambda: asyncio.sleep(LONG_S))
    async with RunnerSession(runner) as session:
        asker = asker_of(session, journal)
        answers = asyncio.gather(*(asker.answer(asked(str(number))) for number in range(3)), return_exceptions=True)
        asyncio.get_running_loop().call_later(0.01, asker.stop.request, "stopped by SIGINT")
        assert [type(answer) for answer in await answers] == [Interrupted] * 3
    assert runner.done == ["start", "start ended"]


async def test_the_progress_line_hears_of_a_start_and_of_a_retry(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_SHORTEST_S", 0.0)
    told: list[str] = []
    async with RunnerSession(runner := Recorded(lambda: told.append(asker.traffic.waiting.in_words()))) as session:
        asker = asker_of(session, journal)
        runner.failures = [RetryableError("HTTP 429: slow down", retry_after_s=0.01)]
        answer = asyncio.ensure_future(asker.answer(asked("text")))
        while not answer.done():
            await asyncio.sleep(0)
            told.append(asker.traffic.waiting.in_words())
    assert told[0] == "waiting for the model to start (0 s)"
    assert "waiting 0 s: HTTP 429: slow down" in told
    assert asker.traffic.waiting.in_words() == ""


async def test_what_could_not_be_started_once_is_not_started_again(journal: Journal) -> None:
    async def fail() -> None:
        raise FatalError("no memory")

    runner = Recorded(fail)
    async with RunnerSession(runner) as session:
        asker = asker_of(session, journal)
        answers = await asyncio.gather(
            *(asker.answer(asked(str(number))) for number in range(3)), return_exceptions=True
        )
    assert [str(answer) for answer in answers] == ["no memory"] * 3
    assert runner.done == ["start"]


async def test_a_probe_is_tried_again_as_a_request_is(journal: Journal) -> None:
    runner = Recorded()
    runner.failures = [RetryableError("busy"), RetryableError("busy")]
    async with RunnerSession(runner) as session:
        asker = asker_of(session, journal)
        assert isinstance(await asker.answer(asked("text")), Completion)
    assert asker.traffic.retried == 2


async def test_a_probe_that_never_succeeds_ends_the_run(journal: Journal) -> None:
    runner = Recorded()
    runner.failures = [RetryableError("busy")] * 3
    async with RunnerSession(runner) as session:
        asker = asker_of(session, journal)
        for _ in range(2):
            with pytest.raises(FatalError, match="no answer to a test request: busy"):
                await asker.answer(asked("text"))
    assert runner.done == ["start", *["probe none"] * 3, "stop"]
