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


class RunnerSession:
    """Starts its runner at most once within ``async with``; a run whose answers are all stored starts nothing.

    Neither the start nor a probe counts as a request: they take no place among the connections, and a start has
    no other time limit than the runner's own.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.outages = Outages()
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._started = False
        self._failure: HarnessError | None = None
        self._probed: set[GrammarForm | None] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def prepare(self, request: Request, stop: StopSignal, retrying: Retrying) -> None:
        """Return once the runner is started and was seen to do what ``request`` needs.

        Raises Interrupted as soon as the run is to stop. What the runner could not do once is raised again.
        """
        form = None if request.constraint is None else request.constraint.form
        if form in self._probed:
            return
        async with self._lock:
            stop.check()
            if self._failure is not None:
                raise self._failure
            try:
                if not self._started:
                    await stop.wait_for(self._stack.enter_async_context(self.runner))
                    self._started = True
                if form not in self._probed:
                    await stop.wait_for(retrying(lambda: self.runner.probe(request)))
                    self._probed.add(form)
            except RetryableError as error:
                self._failure = OutageError(f"{self.runner.name}: no answer to a test request: {error}", "connection")
                raise self._failure from error
            except HarnessError as error:
                self._failure = error
                raise
