"""Running documents through a method, a bounded number at a time, records coming out in order."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from harness.engine.budget import BudgetExhausted
from harness.engine.outages import Outages
from harness.engine.stop import Interrupted, StopSignal
from harness.errors import ContextOverflow, FatalError, HarnessError, RequestRefused, RunnerError
from harness.types import Ask, Completion, Document, Extraction, Method, Request, Status

STATUS_OF_ERROR: tuple[tuple[type[RunnerError], Status], ...] = (
    (ContextOverflow, "context_overflow"),
    (RequestRefused, "refused"),
)


@dataclass(frozen=True)
class DocumentResult:
    """What became of one document; ``requests`` counts the completions it took."""

    document: Document
    extraction: Extraction
    requests: int
    seconds: float


async def run_documents(
    documents: Iterable[Document],
    method: Method,
    ask_for: Callable[[Document], Ask],
    *,
    window: int,
    stop: StopSignal,
    outages: Outages,
    on_finished: Callable[[DocumentResult], None],
) -> AsyncIterator[DocumentResult]:
    """Yield the result of every document in the order of ``documents``.

    At most ``window`` documents are held at once, so memory does not grow with their number; they
    start in order, so the requests of one document are sent back to back. ``ask_for`` gives what each
    document asks the model with, which reports to ``outages``. ``on_finished`` hears of
    each document as it ends, in any order. A failed model call ends its document with a status
    and an error; FatalError and a full disk end the whole run at once, a stop or an exhausted budget
    (Interrupted, BudgetExhausted) once the requests in flight have arrived.
    """
    pending: deque[asyncio.Task[DocumentResult]] = deque()
    source = iter(documents)

    def start_more() -> None:
        while len(pending) < window and not stop.requested:
            document = next(source, None)
            if document is None:
                return
            pending.append(asyncio.create_task(_extract(document, method, ask_for(document), stop, on_finished)))

    try:
        start_more()
        while pending:
            try:
                result = await pending[0]
            except (Interrupted, BudgetExhausted):
                # What is in flight has been paid for: let it arrive and be journalled.
                outcomes = await asyncio.gather(*pending, return_exceptions=True)
                for outcome in outcomes:
                    if isinstance(outcome, HarnessError):
                        raise outcome from None
                raise
            pending.popleft()
            start_more()
            yield result
        if stop.requested and next(source, None) is not None:
            stop.check()
        outages.check_end(stop)
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def _extract(
    document: Document,
    method: Method,
    ask: Ask,
    stop: StopSignal,
    on_finished: Callable[[DocumentResult], None],
) -> DocumentResult:
    started = time.monotonic()
    requests = 0

    async def counted(request: Request) -> Completion:
        nonlocal requests
        completion = await ask(request)
        requests += 1
        return completion

    try:
        extraction = await _extract_or_fail(document, method, counted)
    except HarnessError as error:
        # Nothing more can succeed: wake the documents that wait for a retry.
        stop.request(str(error))
        raise
    result = DocumentResult(document, extraction, requests, time.monotonic() - started)
    on_finished(result)
    return result


async def _extract_or_fail(document: Document, method: Method, ask: Ask) -> Extraction:
    """The method's extraction, or an empty one that tells which model call failed, and how."""
    try:
        return await method.extract(document, ask)
    except FatalError:
        raise
    except RunnerError as error:
        status: Status = next((name for kind, name in STATUS_OF_ERROR if isinstance(error, kind)), "api_error")
        return Extraction(predictions=(), status=status, error=str(error))
