"""Requests that arrive together become one batch, worked on in a thread of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from harness.errors import HarnessError

# Requests sent at once reach the runner one by one, within this time.
WINDOW_S = 0.01

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Gathers submitted items, at most ``size`` at a time, and hands them to ``work``, one batch after another.

    ``work`` runs in the batcher's thread and returns, in order, an answer or an error for each item. While
    it works, the next batch gathers; items whose submitter was cancelled meanwhile are left out.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Answer | HarnessError]], size: int) -> None:
        self._work = work
        self._size = size
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batch")
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Answer:
        """The answer to ``item``; raises the error that ``work`` returned for it or raised."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work_off())
        return await future

    async def close(self, error: HarnessError) -> None:
        """Fail the items that wait with ``error``, and return when the batch under way is done."""
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _work_off(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(WINDOW_S)
            batch = self._take()
            if not batch:
                continue
            try:
                answers = await loop.run_in_executor(self._thread, self._work, [item for item, _ in batch])
            except Exception as error:
                # Whatever the cause, those who wait must hear of it; the next batch may fare better.
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, HarnessError):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _take(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        batch: list[tuple[Item, asyncio.Future[Answer]]] = []
        while self._waiting and len(batch) < self._size:
            item, future = self._waiting.popleft()
            if not future.done():
                batch.append((item, future))
        return batch
