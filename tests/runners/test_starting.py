"""Loading runs in a thread that can be given up at once, and within its own time limit."""

from __future__ import annotations

import asyncio
import threading

import pytest

from harness.errors import FatalError, InputError
from runners.starting import is_loading, loaded, start_limit


async def test_what_was_loaded_is_returned_and_what_was_raised_is_raised() -> None:
    assert await loaded("m", lambda: 7, None) == 7
    with pytest.raises(FatalError, match="no memory"):
        await loaded("m", _fail, None)


async def test_a_load_can_be_given_up_at_once() -> None:
    gate = threading.Event()
    task = asyncio.create_task(loaded("m", gate.wait, None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_loading()
    gate.set()


async def test_a_load_longer_than_its_limit_is_fatal_and_names_the_option() -> None:
    gate = threading.Event()
    with pytest.raises(FatalError, match=r"m: .* after 0\.01 s; -M start_timeout_s"):
        await loaded("m", gate.wait, 0.01)
    gate.set()


def test_a_load_has_no_limit_unless_asked_for() -> None:
    assert start_limit({}) is None
    assert start_limit({"start_timeout_s": "90"}) == 90.0
    with pytest.raises(InputError, match="start_timeout_s=soon"):
        start_limit({"start_timeout_s": "soon"})


def _fail() -> None:
    raise FatalError("no memory")
