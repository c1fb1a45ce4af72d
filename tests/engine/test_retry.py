"""Only what is retryable is tried again, a bounded number of times, as the server wishes."""

from __future__ import annotations

import asyncio

import pytest

from harness.engine.retry import RetryPolicy, call_with_retries
from harness.engine.stop import Interrupted, StopSignal
from harness.errors import RequestError, RetryableError
from harness.types import Completion

QUICK = RetryPolicy(retries=3, base_s=0.001, cap_s=0.002)


class Scripted:
    """Raises the scripted errors one after another, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> Completion:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return Completion("END", "stop")


async def test_a_retryable_failure_is_tried_again() -> None:
    call, heard = Scripted(RetryableError("a"), RetryableError("b")), list[str]()
    answer = await call_with_retries(call, QUICK, lambda error, _wait: heard.append(str(error)), asyncio.sleep)
    assert (answer.text, call.calls, heard) == ("END", 3, ["a", "b"])


async def test_the_last_error_is_raised_when_the_tries_run_out() -> None:
    call = Scripted(*(RetryableError(str(number)) for number in range(10)))
    with pytest.raises(RetryableError, match="3"):
        await call_with_retries(call, QUICK, lambda _error, _wait: None, asyncio.sleep)
    assert call.calls == 4


async def test_another_failure_is_not_tried_again() -> None:
    call = Scripted(RequestError("no"))
    with pytest.raises(RequestError):
        await call_with_retries(call, QUICK, lambda _error, _wait: None, asyncio.sleep)
    assert call.calls == 1


def test_waits_have_full_jitter_under_a_doubling_cap() -> None:
    policy = RetryPolicy(base_s=1.0, cap_s=8.0)
    for attempt, most in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (9, 8.0)]:
        waits = [policy.wait_s(attempt, None) for _ in range(300)]
        assert 0 <= min(waits) < 0.1 * most
        assert 0.9 * most < max(waits) <= most


def test_the_servers_wish_is_honoured() -> None:
    assert 7 <= RetryPolicy().wait_s(1, RetryableError("x", retry_after_s=7)) <= 7.7


async def test_a_wish_that_nobody_would_sit_through_ends_the_tries() -> None:
    call = Scripted(RetryableError("x", retry_after_s=601))
    with pytest.raises(RetryableError):
        await call_with_retries(call, RetryPolicy(), lambda _error, _wait: None, asyncio.sleep)
    assert call.calls == 1


async def test_a_stop_ends_the_wait() -> None:
    stop = StopSignal()
    asyncio.get_running_loop().call_later(0.02, stop.request, "enough")
    with pytest.raises(Interrupted):
        await call_with_retries(
            Scripted(RetryableError("x", retry_after_s=60)), QUICK, lambda _error, _wait: None, stop.sleep
        )
