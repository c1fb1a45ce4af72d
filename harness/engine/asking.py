"""How a method asks a model: journal, then budget, concurrency, retries, and the runner."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from harness.engine.budget import Budget, with_usage
from harness.engine.journal import Journal, request_key
from harness.engine.limiter import AdaptiveLimiter
from harness.engine.retry import RetryPolicy, call_with_retries
from harness.engine.session import RunnerSession
from harness.engine.stop import StopSignal
from harness.engine.storable import storable
from harness.engine.waiting import Waiting, span
from harness.errors import RetryableError, RunnerError
from harness.types import Completion, Request, Usage

Result = TypeVar("Result")


@dataclass
class Traffic:
    """What went over the wire in this session, for the progress line and the manifest.

    ``estimated`` says that some of the tokens are an estimate; ``waiting`` knows what is waited for now.
    """

    sent: int = 0
    replayed: int = 0
    retried: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    waiting: Waiting = field(default_factory=Waiting)

    def count(self, usage: Usage) -> None:
        self.sent += 1
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        self.estimated |= usage.estimated


@dataclass
class Asker:
    """Answers requests from the journal, or else from the runner, within the run's limits.

    Answering raises the errors of ``harness.errors``, BudgetExhausted or Interrupted.
    """

    session: RunnerSession
    journal: Journal
    run_id: str
    budget: Budget
    limiter: AdaptiveLimiter
    policy: RetryPolicy
    stop: StopSignal
    timeout_s: float | None
    traffic: Traffic = field(default_factory=Traffic)

    async def answer(self, request: Request) -> Completion:
        """The stored answer if there is one, else the model's."""
        key = self._key(request)
        if (stored := self.journal.get(key)) is not None:
            return self._replayed(stored)
        return await self._ask(key, request)

    async def answer_again(
        self, request: Request, is_bad: Callable[[Request, Completion], bool], retry: str
    ) -> Completion:
        """The stored answer if it is good, or one of this ``retry``; else the model's, which replaces it."""
        key = self._key(request)
        stored = self.journal.get(key)
        if stored is None or (is_bad(request, stored) and not self.journal.was_given_in(retry, key)):
            return await self._ask(key, request, retry)
        return self._replayed(stored)

    def _replayed(self, stored: Completion) -> Completion:
        self.traffic.replayed += 1
        self.session.outages.answered(by_server=False)
        return stored

    def _key(self, request: Request) -> bytes:
        return request_key(self.session.runner.identity, request)

    async def _ask(self, key: bytes, request: Request, retry: str = "") -> Completion:
        self.stop.check()
        reserved = await self.budget.reserve(request)
        used = Usage()
        try:
            with self.traffic.waiting.on("the model to start"):
                await self.session.prepare(request, self.stop, self._retrying)
            completion = with_usage(storable(await self._send(request)), request)
            used = completion.usage
        except RunnerError as error:
            self.session.outages.failed(error, self.stop)
            raise
        finally:
            self.budget.settle(reserved, used)
        self.session.outages.answered(by_server=True)
        stored = await self.journal.store(key, self.run_id, completion, retry)
        self.traffic.count(completion.usage)
        return stored

    async def _send(self, request: Request) -> Completion:
        async with self.limiter:
            # A request that waited for its place while the run was stopped is not in flight yet.
            self.stop.check()
            return await self._retrying(lambda: self._generate(request))

    async def _generate(self, request: Request) -> Completion:
        with self.traffic.waiting.for_answer():
            return await self.session.runner.generate(request)

    async def _retrying(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Await ``call`` with the run's time limit for one attempt, and its retries.

        Raises Interrupted where the server asks for a wait that nobody would sit through.
        """
        started_at = time.monotonic()
        reason = ""

        async def attempt() -> Result:
            nonlocal started_at
            started_at = time.monotonic()
            try:
                async with asyncio.timeout(self.timeout_s):
                    return await call()
            except TimeoutError as error:
                raise RetryableError(f"no answer within --timeout {self.timeout_s:g} s", overloaded=True) from error

        def on_retry(error: RetryableError, wait_s: float) -> None:
            nonlocal reason
            reason = str(error)
            self.traffic.retried += 1
            if error.overloaded:
                pause_s = wait_s if error.retry_after_s is not None else 0.0
                self.limiter.overloaded(started_at, pause_s)

        async def sleep(seconds: float) -> None:
            with self.traffic.waiting.on(reason, seconds):
                await self.stop.sleep(seconds)

        try:
            return await call_with_retries(attempt, self.policy, on_retry, sleep)
        except RunnerError as error:
            if (wish := error.retry_after_s) is not None and self.policy.is_too_long(wish):
                self.stop.request(f"the server asks to wait {span(wish)}: {error}")
                self.stop.check()
            raise
