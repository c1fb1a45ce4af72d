"""Adaptive concurrency: fewer requests in flight when the server is overloaded, more while it pays."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType

FIRST_LIMIT = 16
WORTHWHILE_GAIN = 1.05
WINDOWS_TO_HOLD = 8


class AdaptiveLimiter:
    """A first-come first-served semaphore whose size follows what the server can take.

    Growth: while requests wait, the limit doubles after a window of ``limit`` completions, and goes
    back if the next window's throughput is not 5% higher; then it holds for eight windows before
    it is tried again. Once the server has complained, growth is by one. Shrinkage: an overload halves
    the limit, once for all the requests that were in flight together (additive increase,
    multiplicative decrease: Chiu and Jain 1989). ``pause`` holds every new request back for the
    seconds a server asked for; they are slept with ``sleep``, so that the run can still be stopped.
    """

    def __init__(
        self,
        maximum: int,
        first: int = FIRST_LIMIT,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.maximum = max(1, maximum)
        self.limit = min(self.maximum, max(1, first))
        self.in_flight = 0
        self._sleep = sleep
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._paused_until = 0.0
        self._shrunk_at = float("-inf")
        self._window_start = time.monotonic()
        self._window_completions = 0
        self._limit_before_growth: int | None = None
        self._throughput_before_growth = 0.0
        self._windows_to_hold = 0

    async def __aenter__(self) -> None:
        """Wait for a place, and for the end of a pause."""
        if self.in_flight < self.limit and not self._waiting:
            self.in_flight += 1
        else:
            await self._wait_for_place()
        if (pause_s := self._paused_until - time.monotonic()) > 0:
            try:
                await self._sleep(pause_s)
            except BaseException:
                self._leave()
                raise

    async def _wait_for_place(self) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._count_completion()
        self._leave()

    def overloaded(self, started_at: float, pause_s: float = 0.0) -> None:
        """The server asked for less load of a request that began at ``started_at`` (monotonic)."""
        now = time.monotonic()
        self._paused_until = max(self._paused_until, now + pause_s)
        if started_at <= self._shrunk_at:
            return
        self._shrunk_at = now
        self.limit = max(1, self.limit // 2)
        self._limit_before_growth = None
        self._begin_window()

    def _leave(self) -> None:
        self.in_flight -= 1
        while self._waiting and self.in_flight < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)

    def _count_completion(self) -> None:
        self._window_completions += 1
        if self._window_completions < self.limit:
            return
        throughput = self._window_completions / max(time.monotonic() - self._window_start, 1e-9)
        if self._waiting and (self.limit < self.maximum or self._limit_before_growth):
            self._consider_growth(throughput)
        self._begin_window()

    def _consider_growth(self, throughput: float) -> None:
        if self._limit_before_growth is None:
            if self._windows_to_hold:
                self._windows_to_hold -= 1
                return
        elif throughput <= self._throughput_before_growth * WORTHWHILE_GAIN:
            self.limit = self._limit_before_growth
            self._limit_before_growth = None
            self._windows_to_hold = WINDOWS_TO_HOLD
            return
        self._throughput_before_growth = throughput
        self._limit_before_growth = self.limit
        has_complained = self._shrunk_at > float("-inf")
        self.limit = min(self.maximum, self.limit + 1 if has_complained else self.limit * 2)

    def _begin_window(self) -> None:
        self._window_start = time.monotonic()
        self._window_completions = 0
