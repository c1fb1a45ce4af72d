"""How a method asks a model: journal, then budget, concurrency, retries, and the runner."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import TypeVar

from harness.engine.budget import Budget, BudgetExhausted, with_usage
from harness.engine.endpoints import Elsewhere, Endpoint, Endpoints, Home
from harness.engine.journal import AnswerStore, request_key
from harness.engine.retry import RetryPolicy, call_with_retries
from harness.engine.session import RunnerSession
from harness.engine.stop import StopSignal
from harness.engine.storable import storable
from harness.engine.waiting import Waiting, span
from harness.errors import FatalError, OutageError, RetryableError, RunnerError
from harness.types import Completion, DrawsSamples, Request, Usage

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

    Answering raises the errors of ``harness.errors``, BudgetExhausted or Interrupted. ``home`` names the servers that
    were asked about a document, and grows by the one that is chosen.
    """

    session: RunnerSession
    journal: AnswerStore
    run_id: str
    budget: Budget
    endpoints: Endpoints
    policy: RetryPolicy
    stop: StopSignal
    timeout_s: float | None
    traffic: Traffic = field(default_factory=Traffic)

    async def answer(self, request: Request, home: Home | None = None) -> Completion:
        """The stored answer if there is one, else the model's."""
        key = self._key(request)
        if (stored := self.journal.get(key)) is not None:
            return self._replayed(stored)
        return await self._ask(key, request, home)

    async def answer_again(
        self,
        request: Request,
        is_bad: Callable[[Request, Completion], bool],
        retry: str,
        home: Home | None = None,
    ) -> Completion:
        """The stored answer if it is good, or one of this ``retry``; else the model's, which replaces it."""
        key = self._key(request)
        stored = self.journal.get(key)
        if stored is None or (is_bad(request, stored) and not self.journal.was_given_in(retry, key)):
            return await self._ask(key, request, home, retry)
        return self._replayed(stored)

    async def retrying(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Await a call of another kind than a request, with the run's time limit for one attempt and its retries."""
        with self.endpoints.one_for([], None) as endpoint:
            return await self._retrying(endpoint, False, call)

    def _replayed(self, stored: Completion) -> Completion:
        self.traffic.replayed += 1
        self.session.outages.answered(by_server=False)
        return stored

    def _key(self, request: Request) -> bytes:
        return request_key(self.session.runner.identity, request)

    async def _ask(self, key: bytes, request: Request, home: Home | None, retry: str = "") -> Completion:
        self.stop.check()
        keys = [key] if retry else [key, *self._unanswered(request)]
        try:
            reserved = await self.budget.reserve(request, len(keys))
        except BudgetExhausted:
            if len(keys) == 1:
                raise
            keys = [key]
            reserved = await self.budget.reserve(request)
        used = Usage()
        try:
            answers = await self._send(request, len(keys), [] if home is None else home)
            completions = [
                with_usage(storable(answer), request, has_prompt=not number) for number, answer in enumerate(answers)
            ]
            used = _sum_of(completions)
        except RunnerError as error:
            self.session.outages.failed(error, self.stop)
            raise
        finally:
            self.budget.settle(reserved, used)
        self.session.outages.answered(by_server=True)
        stored = await asyncio.gather(
            *(
                self.journal.store(one, self.run_id, completion, retry)
                for one, completion in zip(keys, completions, strict=False)
            )
        )
        self.traffic.count(used)
        return stored[0]

    def _unanswered(self, request: Request) -> list[bytes]:
        """The keys of the further samples to draw in the same call, up to the first that is answered.

        Not beyond it: a server draws each of several answers with the next seed, which that sample has.
        """
        keys = []
        for number in range(request.more if self.session.runner.supports.samples else 0):
            key = self._key(replace(request, repeat=request.repeat + number + 1))
            if self.journal.get(key) is not None:
                break
            keys.append(key)
        return keys

    async def _send(self, request: Request, samples: int, home: Home) -> Sequence[Completion]:
        """Ask a server for so many answers, and others where it fails and there are others."""
        failed: Endpoint | None = None
        for moves in count():
            may_move = moves < self.endpoints.most_moves(self.policy.retries)
            with self.endpoints.one_for(home, failed) as endpoint:
                try:
                    return await self._ask_endpoint(endpoint, request, samples, may_move)
                except Elsewhere:
                    pass
                except (FatalError, OutageError) as error:
                    if not self.endpoints.failed(endpoint, error) or not may_move:
                        raise
            failed = endpoint
            self.traffic.retried += 1
        raise AssertionError("unreachable")

    async def _ask_endpoint(
        self, endpoint: Endpoint, request: Request, samples: int, may_move: bool
    ) -> Sequence[Completion]:
        retrying = partial(self._retrying, endpoint, may_move)
        with self.traffic.waiting.on("the model to start"):
            await endpoint.preparation.ensure(request, self.stop, retrying)
        async with endpoint.limiter:
            # A request that waited for its place while the run was stopped is not in flight yet.
            self.stop.check()
            completions = await retrying(lambda: self._generate(endpoint, request, samples))
        endpoint.answered()
        return completions

    async def _generate(self, endpoint: Endpoint, request: Request, samples: int) -> Sequence[Completion]:
        runner = endpoint.runner
        with self.traffic.waiting.for_answer():
            if samples > 1 and isinstance(runner, DrawsSamples) and runner.supports.samples:
                return await runner.generate_samples(request, samples)
            return [await runner.generate(request)]

    async def _retrying(self, endpoint: Endpoint, may_move: bool, call: Callable[[], Awaitable[Result]]) -> Result:
        """Await ``call`` with the run's time limit for one attempt, and its retries.

        Raises Interrupted where the server asks for a wait that nobody would sit through, and Elsewhere, if the request
        ``may_move``, where another server is to be asked.
        """
        started_at = time.monotonic()
        reason = ""

        async def attempt() -> Result:
            nonlocal started_at
            started_at = time.monotonic()
            if may_move and self.endpoints.is_better_elsewhere(endpoint):
                raise Elsewhere(endpoint.why)
            try:
                return await self._within_limit(endpoint, call)
            except RetryableError as error:
                if self.endpoints.failed(endpoint, error) and may_move:
                    slow_down(error, error.retry_after_s or 0.0)
                    raise Elsewhere(str(error)) from error
                raise

        def slow_down(error: RetryableError, wait_s: float) -> None:
            if error.overloaded:
                pause_s = wait_s if error.retry_after_s is not None else 0.0
                endpoint.limiter.overloaded(started_at, pause_s)

        def on_retry(error: RetryableError, wait_s: float) -> None:
            nonlocal reason
            reason = str(error)
            self.traffic.retried += 1
            slow_down(error, wait_s)

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

    async def _within_limit(self, endpoint: Endpoint, call: Callable[[], Awaitable[Result]]) -> Result:
        try:
            async with asyncio.timeout(self.timeout_s) as limit:
                endpoint.under_way.add(limit)
                try:
                    return await call()
                finally:
                    endpoint.under_way.discard(limit)
        except TimeoutError as error:
            text = f"no answer within --timeout {self.timeout_s:g} s" if endpoint.is_usable else endpoint.why
            raise RetryableError(text, overloaded=True) from error


def _sum_of(completions: Sequence[Completion]) -> Usage:
    usages = [one.usage for one in completions]
    return Usage(
        sum(one.prompt_tokens for one in usages),
        sum(one.completion_tokens for one in usages),
        estimated=any(one.estimated for one in usages),
    )
