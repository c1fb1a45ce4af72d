"""Few requests are held at a time, those of the earliest document first, and a stop ends all waiting."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from harness.engine.documents import REQUESTS_PER_CONNECTION, run_documents
from harness.engine.outages import Outages
from harness.engine.slots import Slots
from harness.engine.stop import Interrupted, StopSignal
from harness.methods.asking import ask_all
from harness.types import Ask, Completion, Document, Extraction, Message, Request

QUESTIONS = 50


class ManyQuestions:
    """A method that asks 50 questions about a document, and counts those that are built and not yet answered."""

    def __init__(self) -> None:
        self.held = self.most = 0
        self.built: list[str] = []

    def question(self, text: str) -> Request:
        self.built.append(text)
        self.held += 1
        self.most = max(self.most, self.held)
        return Request((Message("user", text),))

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        async def answer(request: Request) -> Completion:
            try:
                return await ask(request)
            finally:
                self.held -= 1

        items = [f"{document.title} {number}" for number in range(QUESTIONS)]
        await ask_all(ask, items, self.question, answer)
        return Extraction(predictions=())


async def run(method: ManyQuestions, ask: Ask, stop: StopSignal, documents: int) -> list[int]:
    return [
        result.requests
        async for result in run_documents(
            (Document(str(number), (), ()) for number in range(documents)),
            method,
            lambda _document: ask,
            connections=2,
            stop=stop,
            outages=Outages(),
            on_finished=lambda _result: None,
        )
    ]


async def test_a_question_is_built_when_it_can_be_sent_and_documents_go_one_after_the_other() -> None:
    method = ManyQuestions()
    asked: list[str] = []

    async def ask(request: Request) -> Completion:
        asked.append(request.messages[0].content)
        await asyncio.sleep(0)
        return Completion("END", "stop")

    assert await run(method, ask, StopSignal(), 20) == [QUESTIONS] * 20
    assert method.most <= 2 * REQUESTS_PER_CONNECTION
    assert Counter(text.split()[0] for text in asked) == dict.fromkeys(map(str, range(20)), QUESTIONS)
    for document in range(20):
        own = [text for text in asked if text.startswith(f"{document} ")]
        assert own == [f"{document} {number}" for number in range(QUESTIONS)]
    last = {text.split()[0]: place for place, text in enumerate(asked)}
    assert all(last[str(number)] < last[str(number + 1)] for number in range(19))


async def test_a_stop_builds_no_more_and_lets_what_is_in_flight_arrive() -> None:
    method, stop, answered = ManyQuestions(), StopSignal(), list[str]()

    async def ask(request: Request) -> Completion:
        if len(method.built) >= 10:
            stop.request("test")
        await asyncio.sleep(0.001)
        answered.append(request.messages[0].content)
        return Completion("END", "stop")

    with pytest.raises(Interrupted, match="test"):
        await run(method, ask, stop, 3)
    assert sorted(answered) == sorted(method.built)
    assert len(answered) <= 10 + 2 * REQUESTS_PER_CONNECTION


async def test_slots_are_given_by_document_and_a_cancelled_wait_loses_none() -> None:
    slots, order = Slots(1, StopSignal()), list[int]()
    await slots.take(0)

    async def wait(document: int) -> None:
        await slots.take(document)
        order.append(document)
        slots.give_back()

    tasks = [asyncio.create_task(wait(document)) for document in (3, 1, 2, 1)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    slots.give_back()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [1, 1, 3]
