"""The door from a method to a model: journal, then budget, concurrency, retries, and the runner."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from harness.engine.budget import Budget
from harness.engine.journal import Journal, request_key
from harness.engine.limiter import AdaptiveLimiter
from harness.engine.retry import RetryPolicy, call_with_retries
from harness.engine.session import RunnerSession
from harness.engine.stop import StopSignal
from harness.errors import RetryableError
from harness.types import Completion, Request, Usage

Result = TypeVar("Result")


@dataclass
class Traffic:
    """What went over the wire in this session, for the progress line and the manifest."""

    sent: int = 0
    replayed: int = 0
    retried: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def count(self, usage: Usage) -> None:
        self.sent += 1
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens


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
            self.traffic.replayed += 1
            return stored
        return await self._ask(key, request)

    async def answer_again(self, request: Request) -> Completion:
        """The model's answer, which replaces a stored one (``harness retry``)."""
        return await self._ask(self._key(request), request)

    def _key(self, request: Request) -> bytes:
        return request_key(self.session.runner.identity, request)

    async def _ask(self, key: bytes, request: Request) -> Completion:
        self.stop.check()
        reserved = await self.budget.reserve(request)
        used = Usage()
        try:
            await self.session.prepare(request, self.stop, self._retrying)
            completion = _storable(await self._send(request))
            used = completion.usage
        finally:
            self.budget.settle(reserved, used)
        self.journal.put(key, self.run_id, completion)
        self.traffic.count(completion.usage)
        return completion

    async def _send(self, request: Request) -> Completion:
        async with self.limiter:
            # A request that waited for its place while the run was stopped is not in flight yet.
            self.stop.check()
            return await self._retrying(lambda: self.session.runner.generate(request))

    async def _retrying(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Await ``call`` with the run's time limit for one attempt, and its retries."""
        started_at = time.monotonic()

        async def attempt() -> Result:
            nonlocal started_at
            started_at = time.monotonic()
            try:
                async with asyncio.timeout(self.timeout_s):
                    return await call()
            except TimeoutError as error:
                raise RetryableError(f"no answer within --timeout {self.timeout_s:g} s", overloaded=True) from error

        def on_retry(error: RetryableError, wait_s: float) -> None:
            self.traffic.retried += 1
            if error.overloaded:
                pause_s = wait_s if error.retry_after_s is not None else 0.0
                self.limiter.overloaded(started_at, pause_s)

        return await call_with_retries(attempt, self.policy, on_retry, self.stop.sleep)


def _storable(completion: Completion) -> Completion:
    """The completion with every lone surrogate replaced: such text cannot be written as UTF-8."""
    texts = {name: getattr(completion, name) for name in ("text", "reasoning", "refusal")}
    cleaned = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    return completion if cleaned == texts else replace(completion, **cleaned)
