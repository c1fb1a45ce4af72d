"""Asking several questions at once without losing an answer that was paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from harness.errors import FatalError, RunnerError
from harness.types import Ask, Completion, Request


async def ask_all(ask: Ask, requests: Sequence[Request]) -> list[Completion]:
    """The answers to ``requests``, in their order: the first alone, then the others together.

    The first answer leaves the prompt's beginning, which the requests share, in the server's prefix cache; sent
    together, all would compute it. If it fails, nothing more is asked. If others fail, the rest is still
    waited for, so that the journal holds their answers and the same command asks only what is missing. What
    ends the run (FatalError, an interruption, an exhausted budget) is then raised rather than what ends the
    document.
    """
    if not requests:
        return []
    first = await ask(requests[0])
    outcomes = [first, *await asyncio.gather(*map(ask, requests[1:]), return_exceptions=True)]
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if errors:
        raise min(errors, key=_ends_document_only)
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


def _ends_document_only(error: BaseException) -> bool:
    return isinstance(error, RunnerError) and not isinstance(error, FatalError)
