from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from harness.errors import FatalError, HarnessError, RequestError
from runners.batching import Batcher


class Doubling:
    """Doubles numbers, remembers the batches, and waits inside a batch while ``gate`` is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self.started = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, numbers: Sequence[int]) -> list[int | HarnessError]:
        self.batches.append(list(numbers))
        self.threads.add(threading.current_thread().name)
        self.started.set()
        self.gate.wait(10)
        if 13 in numbers:
            raise FatalError("unlucky batch")
        return [RequestError("zero") if number == 0 else 2 * number for number in numbers]


async def test_what_is_asked_together_is_one_batch_of_at_most_the_size() -> None:
    work = Doubling()
    batcher = Batcher(work, 3)
    answers = await asyncio.gather(*map(batcher.submit, range(1, 6)))
    assert answers == [2, 4, 6, 8, 10]
    assert work.batches == [[1, 2, 3], [4, 5]]
    assert len(work.threads) == 1
    assert threading.current_thread().name not in work.threads
    await batcher.close(FatalError("closed"))


async def test_an_error_of_one_item_is_its_own() -> None:
    batcher = Batcher(Doubling(), 3)
    answers = await asyncio.gather(*map(batcher.submit, (1, 0, 2)), return_exceptions=True)
    assert (answers[0], answers[2]) == (2, 4)
    assert isinstance(answers[1], RequestError)
    await batcher.close(FatalError("closed"))


async def test_a_failed_batch_fails_for_all_in_it_and_not_for_the_next() -> None:
    batcher = Batcher(Doubling(), 2)
    answers = await asyncio.gather(*map(batcher.submit, (1, 13, 2)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [FatalError, FatalError, int]
    await batcher.close(FatalError("closed"))


async def test_a_request_cancelled_while_it_waits_is_left_out() -> None:
    work = Doubling()
    work.gate.clear()
    batcher = Batcher(work, 1)
    first, second, third = (asyncio.create_task(batcher.submit(number)) for number in (1, 2, 3))
    await asyncio.to_thread(work.started.wait, 10)
    second.cancel()
    work.gate.set()
    assert await first == 2
    assert await third == 6
    assert work.batches == [[1], [3]]
    await batcher.close(FatalError("closed"))


async def test_closing_fails_what_waits_and_lets_the_batch_under_way_end() -> None:
    work = Doubling()
    work.gate.clear()
    batcher = Batcher(work, 1)
    first, second = (asyncio.create_task(batcher.submit(number)) for number in (1, 2))
    await asyncio.to_thread(work.started.wait, 10)
    closing = asyncio.create_task(batcher.close(FatalError("closed")))
    with pytest.raises(FatalError, match="closed"):
        await second
    work.gate.set()
    await closing
    assert await first == 2
