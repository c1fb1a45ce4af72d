"""Running documents through a method, a bounded number at a time, records coming out in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from harness.engine.budget import BudgetExhausted
from harness.engine.outages import Outages
from harness.engine.slots import DocumentAsk, Slots
from harness.engine.stop import Interrupted, StopSignal
from harness.errors import ContextOverflow, FatalError, HarnessError, RequestRefused, RunnerError
from harness.types import Ask, Document, Extraction, Method, Status

# Requests built or in flight, per connection: one ready for each that is under way, so that no connection waits.
REQUESTS_PER_CONNECTION = 2
# Documents held at once, per connection: enough that a slow one does not leave connections idle.
DOCUMENTS_PER_CONNECTION = 4

STATUS_OF_ERROR: tuple[tuple[type[RunnerError], Status], ...] = (
    (ContextOverflow, "context_overflow"),
    (RequestRefused, "refused"),
)


@dataclass(frozen=True)
class DocumentResult:
    """What became of one document.

    ``requests`` counts the completions it took; ``seconds`` is the time in which they were being answered, without the
    time in the queue, whichever session asked.
    """

    document: Document
    extraction: Extraction
    requests: int
    seconds: float


async def run_documents(
    documents: Iterable[Document],
    method: Method,
    ask_for: Callable[[Document], Ask],
    *,
    connections: int,
    max_documents: int | None = None,
    when_more: Callable[[Callable[[int], None]], None] | None = None,
    stop: StopSignal,
    outages: Outages,
    on_finished: Callable[[DocumentResult], None],
) -> AsyncIterator[DocumentResult]:
    """Yield the result of every document in the order of ``documents``.

    A document is started when the requests held are fewer than ``connections`` can soon send, and no document before it
    has more to ask. So memory grows neither with the number of documents nor with their requests. At most
    ``max_documents`` are held at once. ``when_more`` takes a function to call with further connections.
    ``ask_for`` gives what each document asks the model with, which reports to ``outages``. ``on_finished`` hears of
    each document as it ends, in any order. A failed model call ends its document with a status
    and an error; FatalError and a full disk end the whole run at once, a stop or an exhausted budget
    (Interrupted, BudgetExhausted) once the requests in flight have arrived.
    """
    slots = Slots(connections * REQUESTS_PER_CONNECTION, stop)
    window = asyncio.Semaphore(max_documents or connections * DOCUMENTS_PER_CONNECTION)
    if when_more is not None:
        when_more(lambda more: _take_more(more, slots, None if max_documents else window))
    started: asyncio.Queue[asyncio.Task[DocumentResult] | None] = asyncio.Queue()

    async def start_all() -> None:
        try:
            for number, document in enumerate(documents):
                await window.acquire()
                await slots.take(number)
                ask = DocumentAsk(ask_for(document), slots, number)
                started.put_nowait(asyncio.create_task(_extract(document, method, ask, stop, on_finished)))
        except HarnessError as error:
            stop.request(str(error))
            raise
        finally:
            started.put_nowait(None)

    def rest() -> list[asyncio.Task[Any]]:
        starting.cancel()
        tasks = [started.get_nowait() for _ in range(started.qsize())]
        return [starting, *(task for task in tasks if task is not None)]

    starting = asyncio.create_task(start_all())
    task = None
    try:
        while (task := await started.get()) is not None:
            try:
                result = await task
            except (Interrupted, BudgetExhausted):
                # What is in flight has been paid for: let it arrive and be journalled.
                outcomes = await asyncio.gather(*rest(), return_exceptions=True)
                for outcome in outcomes:
                    if isinstance(outcome, HarnessError):
                        raise outcome from None
                raise
            window.release()
            yield result
        await starting
        outages.check_end(stop)
    finally:
        unfinished = [*rest(), *([task] if task is not None else [])]
        for one in unfinished:
            one.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)


def _take_more(connections: int, slots: Slots, window: asyncio.Semaphore | None) -> None:
    slots.give_back(connections * REQUESTS_PER_CONNECTION)
    if window is not None:
        for _ in range(connections * DOCUMENTS_PER_CONNECTION):
            window.release()


async def _extract(
    document: Document,
    method: Method,
    ask: DocumentAsk,
    stop: StopSignal,
    on_finished: Callable[[DocumentResult], None],
) -> DocumentResult:
    try:
        extraction = await _extract_or_fail(document, method, ask)
    except HarnessError as error:
        # Nothing more can succeed: wake the documents that wait for a retry.
        stop.request(str(error))
        raise
    finally:
        ask.close()
    result = DocumentResult(document, extraction, ask.requests, ask.seconds)
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
