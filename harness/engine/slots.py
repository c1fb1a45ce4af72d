"""How many requests a run holds at once: each is built when there is a slot for it, the earliest document first."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from itertools import count

from harness.engine.stop import Interrupted, StopSignal
from harness.types import Ask, Completion, Request

# Building the longest prompts takes a few milliseconds each.
SLOTS_PER_TURN = 8


class Slots:
    """``free`` slots, taken by documents by number. A smaller number goes first, so that one document's requests are
    sent back to back.

    Few slots are given in one turn of the event loop, so that answers are read and a stop is seen while requests are
    built. A stop ends all waiting.
    """

    def __init__(self, free: int, stop: StopSignal) -> None:
        self._free = free
        self._stop = stop
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._is_scheduled = False
        stop.when_requested(self._end_waiting)

    async def take(self, document: int) -> None:
        """Wait for a slot; raises Interrupted if the run is to stop."""
        self._stop.check()
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (document, next(self._order), slot))
        self._schedule()
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled() and slot.exception() is None:
                self.give_back()
            raise

    def give_back(self, number: int = 1) -> None:
        """Free so many slots."""
        self._free += number
        self._schedule()

    def _schedule(self) -> None:
        if self._free and self._waiting and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._give)

    def _give(self) -> None:
        self._is_scheduled = False
        given = 0
        while self._free and self._waiting and given < SLOTS_PER_TURN:
            _, _, slot = heapq.heappop(self._waiting)
            if not slot.done():
                self._free -= 1
                slot.set_result(None)
                given += 1
        self._schedule()

    def _end_waiting(self) -> None:
        for _, _, slot in self._waiting:
            if not slot.done():
                slot.set_exception(Interrupted(str(self._stop.reason)))
        self._waiting.clear()


class DocumentAsk:
    """Asks for one document, within ``slots``; one slot was taken before the document was started.

    ``requests`` counts the completions; ``seconds`` is the time in which at least one of them was being answered, also
    those of another session that the journal gave: neither waiting for a place nor the pause between two sessions is
    the document's.
    """

    first_alone = True

    def __init__(self, ask: Ask, slots: Slots, document: int) -> None:
        self.requests = 0
        self._answered: list[tuple[float, float]] = []
        self._ask = ask
        self._slots = slots
        self._document = document
        self._has_first = True
        self._taken = 0

    async def slot(self) -> None:
        """Wait until the next request may be built. Asking it uses the slot; :meth:`close` frees it if it is not."""
        if self._has_first:
            self._has_first = False
        else:
            await self._slots.take(self._document)
        self._taken += 1

    async def __call__(self, request: Request) -> Completion:
        if not self._taken:
            await self.slot()
        self._taken -= 1
        try:
            completion = await self._ask(request)
        finally:
            self._slots.give_back()
        self.requests += 1
        end = time.time() if completion.answered_at is None else completion.answered_at
        self._answered.append((end - completion.latency_s, end))
        return completion

    @property
    def seconds(self) -> float:
        seconds, last = 0.0, -math.inf
        for begin, end in sorted(self._answered):
            seconds += max(0.0, end - max(begin, last))
            last = max(last, end)
        return seconds

    def close(self) -> None:
        """Free the slots that no request used."""
        self._slots.give_back(self._taken + self._has_first)
        self._taken, self._has_first = 0, False
