"""Retrying a model call: only what is retryable, a bounded number of times, with full jitter."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from harness.errors import RetryableError

Result = TypeVar("Result")


@dataclass(frozen=True)
class RetryPolicy:
    """``retries`` tries after the first; waits in seconds.

    The wait before try n is uniform in ``[0, min(cap_s, base_s * 2**(n - 1))]`` ("full jitter",
    Brooker 2015, AWS Architecture Blog), or what the server asked for. A wish for more than ``longest_wish_s`` ends
    the tries at once.
    """

    retries: int = 8
    base_s: float = 0.5
    cap_s: float = 60.0
    longest_wish_s: float = 600.0

    def is_too_long(self, wish_s: float) -> bool:
        """Whether a server asks to wait longer than the user would sit and watch."""
        return wish_s > self.longest_wish_s

    def is_worth_trying(self, error: BaseException) -> bool:
        """Whether a failed call is tried again."""
        return isinstance(error, RetryableError) and not self.is_too_long(error.retry_after_s or 0.0)

    def wait_s(self, attempt: int, error: BaseException | None) -> float:
        wish = getattr(error, "retry_after_s", None)
        if wish is not None:
            # A little spread, so that requests told the same second do not come back as one wave.
            return float(wish) * random.uniform(1.0, 1.1)
        return random.uniform(0.0, min(self.cap_s, self.base_s * 2 ** (attempt - 1)))


async def call_with_retries(
    call: Callable[[], Awaitable[Result]],
    policy: RetryPolicy,
    on_retry: Callable[[RetryableError, float], None],
    sleep: Callable[[float], Awaitable[None]],
) -> Result:
    """Await ``call`` until it answers; the last error is raised as it is when the tries run out.

    ``on_retry`` hears of every failure that will be tried again, with the seconds to wait.
    """

    def wait(state: RetryCallState) -> float:
        return policy.wait_s(state.attempt_number, state.outcome.exception() if state.outcome else None)

    def before_sleep(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RetryableError):
            on_retry(error, state.upcoming_sleep)

    retrying = AsyncRetrying(
        stop=stop_after_attempt(policy.retries + 1),
        wait=wait,
        retry=retry_if_exception(policy.is_worth_trying),
        before_sleep=before_sleep,
        sleep=sleep,
        reraise=True,
    )
    return await retrying(call)
