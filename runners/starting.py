"""Loading a model in a thread that can be given up at any moment, within a time limit of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from harness.errors import FatalError
from runners.options import seconds

THREAD_NAME = "model-start"

Result = TypeVar("Result")


def start_limit(extra: Mapping[str, str]) -> float | None:
    """The seconds of ``-M start_timeout_s``; None, no limit, where it is not given."""
    return seconds(extra, "start_timeout_s", 0.0) if "start_timeout_s" in extra else None


async def loaded(name: str, load: Callable[[], Result], limit_s: float | None) -> Result:
    """The result of ``load``; raises what it raises, or FatalError after ``limit_s`` seconds (None: no limit).

    Cancelling ends the wait at once. ``load`` then goes on in its thread, which does not keep the process
    alive, and its result is dropped.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Result] = loop.create_future()

    def finish(result: Result | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, error = None, None
        try:
            result = load()
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(finish, result, error)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return

    # Not asyncio.to_thread: its threads are waited for when the loop ends, so Ctrl-C would wait for the load.
    threading.Thread(target=work, name=THREAD_NAME, daemon=True).start()
    try:
        async with asyncio.timeout(limit_s) as limit:
            return await outcome
    except TimeoutError:
        if not limit.expired():
            raise
        raise FatalError(
            f"{name}: the model was not loaded after {limit_s:g} s; -M start_timeout_s=SECONDS waits longer"
        ) from None


def is_loading() -> bool:
    """Whether a load that was given up is still under way."""
    return any(thread.name == THREAD_NAME for thread in threading.enumerate())
