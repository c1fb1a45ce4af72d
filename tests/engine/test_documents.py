"""Documents run a bounded number at a time, in order, each ending with its true status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from harness.engine.documents import REQUESTS_PER_CONNECTION, DocumentResult, run_documents
from harness.engine.outages import Outages
from harness.engine.stop import Interrupted, StopSignal
from harness.errors import ContextOverflow, FatalError, RequestError, RetryableError
from harness.types import Ask, Completion, Document, Extraction, Message, Request


class OneQuestion:
    """A method that asks the title and predicts nothing."""

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        await ask(Request((Message("user", document.title),)))
        return Extraction(predictions=())


def documents(count: int) -> list[Document]:
    return [Document(str(number), (), ()) for number in range(count)]


async def collect(
    count: int,
    answer: Callable[[str], object],
    *,
    connections: int = 1,
    max_documents: int | None = None,
    stop: StopSignal | None = None,
    finished: list[str] | None = None,
) -> list[DocumentResult]:
    async def ask(request: Request) -> Completion:
        outcome = answer(request.messages[0].content)
        if asyncio.iscoroutine(outcome):
            outcome = await outcome
        if isinstance(outcome, Exception):
            raise outcome
        return Completion("END", "stop")

    def on_finished(result: DocumentResult) -> None:
        if finished is not None:
            finished.append(result.document.title)

    return [
        result
        async for result in run_documents(
            documents(count),
            OneQuestion(),
            lambda _document: ask,
            connections=connections,
            max_documents=max_documents,
            stop=stop or StopSignal(),
            outages=Outages(),
            on_finished=on_finished,
        )
    ]


async def test_results_come_in_order_however_long_each_takes() -> None:
    finished: list[str] = []
    results = await collect(12, lambda title: asyncio.sleep(0.03 if title == "0" else 0.001), finished=finished)
    assert [result.document.title for result in results] == [str(number) for number in range(12)]
    assert finished[0] != "0"


async def test_a_document_waits_until_the_server_can_keep_its_beginning() -> None:
    started: list[str] = []
    finished: list[str] = []

    async def answer(title: str) -> None:
        assert len(started) == len(finished), "one document at a time"
        started.append(title)
        await asyncio.sleep(0.001)

    await collect(5, answer, connections=2, max_documents=1, finished=finished)
    assert started == finished == [str(number) for number in range(5)]


async def test_the_seconds_of_a_document_are_its_own() -> None:
    """One connection answers four documents: each took as long as its answer, not as long as it waited."""
    one_at_a_time = asyncio.Lock()

    class Slow:
        async def extract(self, document: Document, ask: Ask) -> Extraction:
            await ask(Request((Message("user", document.title),)))
            return Extraction(predictions=())

    async def ask(_request: Request) -> Completion:
        async with one_at_a_time:
            await asyncio.sleep(0.03)
        return Completion("END", "stop", latency_s=0.03)

    results = [
        result.seconds
        async for result in run_documents(
            documents(4),
            Slow(),
            lambda _document: ask,
            connections=4,
            stop=StopSignal(),
            outages=Outages(),
            on_finished=lambda _result: None,
        )
    ]
    assert results == pytest.approx([0.03] * 4, abs=0.001)


async def test_seconds_of_answers_from_the_journal_are_those_they_took_without_pauses() -> None:
    """Two answers at once, one an hour later in another session, and one that is new."""
    times = [(1000.0, 4.0), (1001.0, 3.0), (4600.0, 2.0), (None, 1.5)]

    class Steps:
        async def extract(self, document: Document, ask: Ask) -> Extraction:
            for place in range(len(times)):
                await ask(Request((Message("user", f"{document.title} {place}"),)))
            return Extraction(predictions=())

    async def ask(request: Request) -> Completion:
        answered_at, latency_s = times[int(request.messages[0].content[-1])]
        return Completion("END", "stop", latency_s=latency_s, answered_at=answered_at)

    (result,) = [
        result
        async for result in run_documents(
            documents(1),
            Steps(),
            lambda _document: ask,
            connections=4,
            stop=StopSignal(),
            outages=Outages(),
            on_finished=lambda _result: None,
        )
    ]
    assert result.seconds == pytest.approx(5.0 + 2.0 + 1.5)


async def test_no_more_requests_are_held_than_the_connections_can_soon_send() -> None:
    held, most = 0, 0

    async def answer() -> None:
        nonlocal held, most
        held += 1
        most = max(most, held)
        await asyncio.sleep(0.002)
        held -= 1

    await collect(30, lambda _title: answer(), connections=3)
    assert most == 3 * REQUESTS_PER_CONNECTION


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RetryableError("busy"), "api_error"),
        (RequestError("bad request"), "api_error"),
        (ContextOverflow("too long"), "context_overflow"),
    ],
)
async def test_a_failed_call_is_a_status_and_never_an_answer(error: Exception, status: str) -> None:
    results = await collect(3, lambda title: error if title == "1" else None)
    assert [result.extraction.status for result in results] == ["ok", status, "ok"]
    assert results[1].extraction.error == str(error)
    assert [result.requests for result in results] == [1, 0, 1]


async def test_a_fatal_error_ends_the_run_at_once() -> None:
    asked: list[str] = []

    def answer(title: str) -> object:
        asked.append(title)
        return FatalError("the key was refused") if title == "2" else asyncio.sleep(0.001)

    with pytest.raises(FatalError, match="key was refused"):
        await collect(100, answer)
    assert len(asked) < 12


async def test_a_stop_lets_requests_in_flight_finish_and_starts_no_more() -> None:
    stop, finished = StopSignal(), list[str]()

    async def answer(title: str) -> None:
        await asyncio.sleep(0.01)
        if title == "2":
            stop.request("test")

    with pytest.raises(Interrupted, match="test"):
        await collect(100, answer, connections=2, stop=stop, finished=finished)
    assert set(finished) >= {"0", "1", "2", "3"}
    assert len(finished) <= 8


async def test_a_stop_after_the_last_document_is_no_interruption() -> None:
    stop = StopSignal()

    async def answer(title: str) -> None:
        if title == "3":
            stop.request("too late")

    assert len(await collect(4, answer, stop=stop)) == 4
