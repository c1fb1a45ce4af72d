"""The life of a runner over one or more runs: started for the first request that needs it, stopped at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from harness.engine.outages import Outages
from harness.engine.stop import StopSignal
from harness.errors import HarnessError, OutageError, RetryableError
from harness.types import GrammarForm, Request, Runner

Retrying = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]
"""Awaits a call with the engine's time limit and retries."""


class Preparation:
    """Starts a runner at most once and tests it for each grammar form; what it could not do once is raised again.

    Neither the start nor a probe counts as a request: they take no place among the connections, and a start has
    no other time limit than the runner's own.
    """

    def __init__(self, runner: Runner, stack: AsyncExitStack) -> None:
        self._runner = runner
        self._stack = stack
        self._lock = asyncio.Lock()
        self._started = False
        self._failure: HarnessError | None = None
        self._probed: set[GrammarForm | None] = set()

    async def ensure(self, request: Request, stop: StopSignal, retrying: Retrying) -> None:
        """Return once the runner is started and was seen to do what ``request`` needs.

        Raises Interrupted as soon as the run is to stop.
        """
        form = None if request.constraint is None else request.constraint.form
        if form in self._probed:
            return
        async with self._lock:
            stop.check()
            if self._failure is not None:
                raise self._failure
            try:
                await self.start(stop)
                if form not in self._probed:
                    await stop.wait_for(retrying(lambda: self._runner.probe(request)))
                    self._probed.add(form)
            except RetryableError as error:
                self._failure = OutageError(f"{self._runner.name}: no answer to a test request: {error}", "connection")
                raise self._failure from error
            except HarnessError as error:
                self._failure = error
                raise

    async def start(self, stop: StopSignal) -> None:
        """Start the runner, if it is not; nothing is tested."""
        if not self._started:
            await stop.wait_for(self._stack.enter_async_context(self._runner))
            self._started = True

    @property
    def has_passed(self) -> bool:
        """Whether the runner was started and passed a test."""
        return bool(self._probed)

    def repeat_tests(self) -> None:
        """Test the runner anew: its server was away, and may be another one now."""
        self._probed.clear()
        self._failure = None


class RunnerSession:
    """What is started within ``async with`` ends with it; a run whose answers are all stored starts nothing."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.outages = Outages()
        self._stack = AsyncExitStack()
        self._preparations: dict[int, Preparation] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def preparation(self, runner: Runner) -> Preparation:
        """That of the session's runner, or of one of its servers; always the same for one."""
        if id(runner) not in self._preparations:
            self._preparations[id(runner)] = Preparation(runner, self._stack)
        return self._preparations[id(runner)]
