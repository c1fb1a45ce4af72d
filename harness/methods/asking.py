"""Asking several questions at once without losing an answer that was paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from harness.errors import FatalError, RunnerError
from harness.types import Ask, PacedAsk

Item = TypeVar("Item")
Question = TypeVar("Question")
Result = TypeVar("Result")


async def ask_all(
    ask: Ask,
    items: Iterable[Item],
    question: Callable[[Item], Question],
    answer: Callable[[Question], Awaitable[Result]],
) -> list[Result]:
    """What ``answer`` makes of the ``question`` about every item, in their order: the first alone, then the others.

    A question is built when ``ask`` has a slot for it, if ``ask`` is paced. The first answer leaves the prompt's
    beginning, which the questions share, in the server's prefix cache; sent together, all would compute it. If it
    fails, nothing more is asked. If others fail, the rest is still asked, so that the journal holds their answers and
    the same command asks only what is missing. What ends the run (FatalError, an interruption, an exhausted budget)
    is raised rather than what ends the document, as soon as the answers under way have arrived.
    """
    paced = ask if isinstance(ask, PacedAsk) else None
    tasks: list[asyncio.Task[Result]] = []
    errors: list[Exception] = []

    async def answered(asked: Question) -> Result:
        try:
            return await answer(asked)
        except Exception as error:
            errors.append(error)
            raise

    try:
        for item in items:
            if paced is not None:
                await paced.slot()
            if not all(map(_ends_document_only, errors)):
                break
            tasks.append(asyncio.create_task(answered(question(item))))
            if len(tasks) == 1 and (paced is None or paced.first_alone):
                await tasks[0]
    except Exception as error:
        errors.append(error)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        raise
    await asyncio.gather(*tasks, return_exceptions=True)
    if errors:
        raise min(errors, key=_ends_document_only)
    return [task.result() for task in tasks]


async def all_of(work: Iterable[Awaitable[Result]]) -> list[Result]:
    """What ``work`` gives, in its order, once all of it has ended: nothing goes on asking for a document that is over.

    Raises what ends the run rather than what ends the document.
    """
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    if errors := [one for one in outcomes if isinstance(one, BaseException)]:
        raise min(errors, key=_ends_document_only)
    return [one for one in outcomes if not isinstance(one, BaseException)]


async def aside(ask: Ask, work: Callable[[], Result]) -> Result:
    """What ``work`` gives, computed in a thread so that it holds up no other document.

    Where requests are only collected, as for batches, no thread is waited for: then it is computed here.
    """
    if isinstance(ask, PacedAsk) and not ask.first_alone:
        return work()
    return await asyncio.to_thread(work)


def _ends_document_only(error: BaseException) -> bool:
    return isinstance(error, RunnerError) and not isinstance(error, FatalError)
