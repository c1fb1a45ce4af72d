"""A model that works may take its time; one that stands still ends the run."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from harness.errors import FatalError
from runners.progress import ProgressWatch, counters

LIMIT_S = 0.04


def watch_of(read: Callable[[], object]) -> ProgressWatch:
    async def progress() -> object:
        return read()

    return ProgressWatch("m", progress, LIMIT_S)


async def answer_after(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "answer"


def failing() -> object:
    raise OSError("no answer")


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(itertools.count().__next__, id="steps are made"),
        pytest.param(lambda: None, id="nothing is known"),
    ],
)
async def test_a_model_that_works_is_waited_for(read: Callable[[], object]) -> None:
    assert await watch_of(read).wait_for(answer_after(4 * LIMIT_S)) == "answer"


@pytest.mark.parametrize("read", [pytest.param(lambda: 7, id="no step"), pytest.param(failing, id="not even a word")])
async def test_a_model_that_stands_still_ends_all_calls_under_way(read: Callable[[], object]) -> None:
    watch = watch_of(read)
    answers = await asyncio.gather(*(watch.wait_for(answer_after(60)) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [FatalError] * 3
    assert "-M stall_timeout_s=SECONDS waits longer" in str(answers[0])


async def test_time_without_calls_does_not_count() -> None:
    watch = watch_of(lambda: 7)
    for _ in range(3):
        assert await watch.wait_for(answer_after(LIMIT_S / 2)) == "answer"
        await asyncio.sleep(LIMIT_S)


async def test_what_a_call_raises_and_its_cancellation_pass_through() -> None:
    async def refuse() -> None:
        raise FatalError("refused")

    watch = watch_of(lambda: 7)
    with pytest.raises(FatalError, match="refused"):
        await watch.wait_for(refuse())
    call = asyncio.create_task(watch.wait_for(answer_after(60)))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


def test_only_counters_of_work_are_signs_of_progress() -> None:
    text = (
        "# HELP vllm:generation_tokens_total Tokens.\n"
        'vllm:generation_tokens_total{engine="0",model_name="m"} 12.0\n'
        "process_cpu_seconds_total 9.5\n"
        "llamacpp:n_decode_total 3\n"
        "llamacpp:requests_processing 1\n"
    )
    assert counters(text) == (
        'vllm:generation_tokens_total{engine="0",model_name="m"} 12.0',
        "llamacpp:n_decode_total 3",
    )
    assert counters("process_cpu_seconds_total 9.5\n") is None
