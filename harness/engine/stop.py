"""Stopping a run gently: the first Ctrl-C lets requests in flight finish, the second cancels them."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Result = TypeVar("Result")


class Interrupted(Exception):
    """The run was asked to stop before this request was sent, or while it waited to be sent again."""


class BatchesHandedIn(Interrupted):
    """All that can be asked is in batches, which nobody waits for now."""


class StopSignal:
    """Whether, and why, a run should stop sending requests."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._event = asyncio.Event()
        self._callbacks: list[Callable[[], None]] = []

    def request(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._event.set()
        for callback in self._callbacks:
            callback()

    def when_requested(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` each time that a stop is requested."""
        self._callbacks.append(callback)

    def check(self) -> None:
        """Raise Interrupted if the run is to stop."""
        if self.reason is not None:
            raise Interrupted(self.reason)

    async def sleep(self, seconds: float) -> None:
        """Sleep, but raise Interrupted as soon as the run is to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        self.check()

    async def wait_for(self, work: Awaitable[Result]) -> Result:
        """The result of ``work``, which is cancelled as soon as the run is to stop; Interrupted is raised then."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        finally:
            for one in (task, stopped):
                one.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)
        raise Interrupted(str(self.reason))


@contextmanager
def listen_for_signals(stop: StopSignal, on_first: Callable[[], None]) -> Iterator[None]:
    """Within the block, SIGINT and SIGTERM stop the current task: first gently, then by cancelling it.

    Plain ``signal.signal`` rather than the loop's handlers, because those do not exist on Windows. In another thread
    than the main one, where Python hands no signal, nothing is listened for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    received = 0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        if received > 1:
            loop.call_soon_threadsafe(task.cancel)
            return
        loop.call_soon_threadsafe(stop.request, f"stopped by {signal.Signals(number).name}")
        loop.call_soon_threadsafe(on_first)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
