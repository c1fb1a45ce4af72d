"""What bounds the answers of a model that the harness runs itself: not their time, but standing still."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from harness.errors import FatalError
from runners.options import seconds

# On a core that much else keeps busy, the smallest step of a large model (512 tokens of a prompt) takes minutes.
STALL_TIMEOUT_S = 1800.0
_COUNTERS = re.compile(
    r"^(?:llamacpp:n_decode_total|vllm:(?:iteration_tokens_total_count|prompt_tokens_total|generation_tokens_total))\b.*",
    re.MULTILINE,
)

Result = TypeVar("Result")


def counters(metrics: str) -> tuple[str, ...] | None:
    """The lines of a server's ``/metrics`` that change with every step of the model; None where there are none."""
    return tuple(_COUNTERS.findall(metrics)) or None


def stall_limit(extra: Mapping[str, str]) -> float:
    """The seconds of ``-M stall_timeout_s``."""
    return seconds(extra, "stall_timeout_s", STALL_TIMEOUT_S)


class ProgressWatch:
    """Ends the calls under way with FatalError once the model has stood still for ``limit_s`` seconds.

    ``progress`` returns a value that differs whenever the model did anything for any request; None says that
    this is not known, and an exception that the model did not even tell. It is called while calls are under way.
    """

    def __init__(self, name: str, progress: Callable[[], Awaitable[object]], limit_s: float) -> None:
        self._name = name
        self._progress = progress
        self._limit_s = limit_s
        self._calls: set[asyncio.Future[Any]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._failure: FatalError | None = None

    async def wait_for(self, work: Awaitable[Result]) -> Result:
        """The result of ``work``, or FatalError."""
        call = asyncio.ensure_future(work)
        self._calls.add(call)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        try:
            return await call
        except asyncio.CancelledError:
            if self._failure is not None and call.cancelled():
                raise self._failure from None
            call.cancel()
            raise
        finally:
            self._calls.discard(call)
            if not self._calls and self._watching is not None:
                self._watching.cancel()
                self._watching = None

    async def _watch(self) -> None:
        interval_s = self._limit_s / 20
        last: object = None
        changed_at = time.monotonic()
        while time.monotonic() - changed_at <= self._limit_s:
            await asyncio.sleep(interval_s)
            try:
                async with asyncio.timeout(interval_s):
                    now = await self._progress()
            except Exception:
                continue
            if now is None or now != last:
                last, changed_at = now, time.monotonic()
        self._failure = FatalError(
            f"{self._name}: the model has made no progress for {self._limit_s:g} s. The same command resumes; "
            "-M stall_timeout_s=SECONDS waits longer"
        )
        for call in self._calls:
            call.cancel()
