"""Asking several questions at once without losing an answer that was paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from harness.errors import FatalError, RunnerError
from harness.types import Ask, Completion, Request


async def ask_all(ask: Ask, requests: Sequence[Request]) -> list[Completion]:
    """The answers to ``requests``, which are sent together, in their order.

    If some fail, the others are still waited for, so that the journal holds their answers and the same
    command asks only what is missing. What ends the run (FatalError, an interruption, an exhausted
    budget) is then raised rather than what ends the document.
    """
    outcomes = await asyncio.gather(*map(ask, requests), return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if errors:
        raise min(errors, key=_ends_document_only)
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


def _ends_document_only(error: BaseException) -> bool:
    return isinstance(error, RunnerError) and not isinstance(error, FatalError)
