"""Adaptive concurrency shrinks under overload, grows while it pays, and never exceeds its limit."""

from __future__ import annotations

import asyncio
import time

import pytest

from harness.engine.limiter import AdaptiveLimiter


async def _work(limiter: AdaptiveLimiter, service_s: float, seen: list[int]) -> None:
    async with limiter:
        seen.append(limiter.in_flight)
        await asyncio.sleep(service_s)


async def test_it_grows_to_the_maximum_while_throughput_rises() -> None:
    limiter, seen = AdaptiveLimiter(64, first=4), list[int]()
    await asyncio.gather(*(_work(limiter, 0.01, seen) for _ in range(600)))
    assert limiter.limit == 64
    assert max(seen) == 64


async def _limit_behind_a_bottleneck() -> int:
    limiter, bottleneck = AdaptiveLimiter(64, first=4), asyncio.Semaphore(4)

    async def work() -> None:
        async with limiter, bottleneck:
            await asyncio.sleep(0.01)

    await asyncio.gather(*(work() for _ in range(200)))
    return limiter.limit


async def test_it_stops_growing_when_more_does_not_pay() -> None:
    # It measures throughput, which other work on this machine can seem to raise.
    assert any([await _limit_behind_a_bottleneck() <= 16 for _ in range(5)])


async def test_an_overload_halves_it_once_for_all_requests_in_flight_together() -> None:
    limiter = AdaptiveLimiter(64, first=32)
    started = time.monotonic()
    for _ in range(20):
        limiter.overloaded(started)
    assert limiter.limit == 16
    await asyncio.sleep(0.01)
    limiter.overloaded(time.monotonic())
    assert limiter.limit == 8


async def test_it_never_shrinks_below_one() -> None:
    limiter = AdaptiveLimiter(4)
    for _ in range(10):
        await asyncio.sleep(0.002)
        limiter.overloaded(time.monotonic())
    assert limiter.limit == 1
    async with limiter:
        assert limiter.in_flight == 1


async def test_a_pause_holds_new_requests_back() -> None:
    limiter = AdaptiveLimiter(4)
    limiter.overloaded(time.monotonic(), pause_s=0.2)
    started = time.monotonic()
    async with limiter:
        assert time.monotonic() - started >= 0.19


async def test_places_are_given_in_order_and_a_cancelled_waiter_loses_none() -> None:
    limiter, order = AdaptiveLimiter(1), list[int]()

    async def work(number: int) -> None:
        async with limiter:
            order.append(number)
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await asyncio.sleep(0.005)
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 1, 3, 4]
    assert limiter.in_flight == 0


async def test_a_failing_request_gives_its_place_back() -> None:
    limiter = AdaptiveLimiter(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"):
            async with limiter:
                raise ValueError("x")
    assert limiter.in_flight == 0
