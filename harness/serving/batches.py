"""Texts of concurrent requests, put together for the models, which one thread runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness.extraction.inputs import Text
from harness.extraction.pipeline import MOST_WINDOWS, Extractor, Outcome
from harness.serving.metrics import Metrics


@dataclass(frozen=True)
class _Item:
    text: Text
    least: float | None
    outcome: asyncio.Future[Outcome]


class Batches:
    """While one batch is read, requests wait; the next batch has a text of each in turn, up to ``MOST_WINDOWS``.

    So nobody waits for others to come, and a request of many texts does not keep back those of one.
    """

    def __init__(self, extractor: Extractor, metrics: Metrics) -> None:
        self._extractor = extractor
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "extractor")
        self._waiting: deque[deque[_Item]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def read(self, texts: Sequence[Text], least: float | None) -> list[Outcome]:
        """What is found in these texts; ``least`` is the probability from which a relation is kept.

        Cancelled, it gives up the texts that are not being read yet. Raises what the models raise about a text.
        """
        loop = asyncio.get_running_loop()
        items = deque(_Item(text, least, loop.create_future()) for text in texts)
        outcomes = [item.outcome for item in items]
        self._waiting.append(items)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._work_off())
        try:
            return await asyncio.gather(*outcomes)
        finally:
            for one in outcomes:
                one.cancel()

    def close(self) -> None:
        """Wait for the thread's end."""
        self._thread.shutdown()

    async def _work_off(self) -> None:
        while batch := self._next():
            await self._read(batch)

    def _next(self) -> list[_Item]:
        batch: list[_Item] = []
        windows = 0
        while self._waiting and windows < MOST_WINDOWS:
            items = self._waiting.popleft()
            item = items.popleft()
            if items:
                self._waiting.append(items)
            if not item.outcome.done():
                batch.append(item)
                windows += self._extractor.windows_in(item.text)
        return batch

    async def _read(self, batch: Sequence[_Item]) -> None:
        loop = asyncio.get_running_loop()
        try:
            outcomes = await loop.run_in_executor(self._thread, self._outcomes, batch)
        except Exception as error:
            # One text must not fail those of others.
            if len(batch) > 1:
                for item in batch:
                    await self._read([item])
            elif not batch[0].outcome.done():
                batch[0].outcome.set_exception(error)
            return
        self._metrics.add_batch(outcomes)
        for item, outcome in zip(batch, outcomes, strict=True):
            if not item.outcome.done():
                item.outcome.set_result(outcome)

    def _outcomes(self, batch: Sequence[_Item]) -> list[Outcome]:
        return list(self._extractor.batch([item.text for item in batch], [item.least for item in batch]))
