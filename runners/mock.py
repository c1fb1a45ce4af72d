"""A model that answers from a script, for tests and for trying the harness without a model."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self, cast, get_args

from harness.errors import InputError
from harness.json_files import line_values
from harness.types import (
    Completion,
    FinishReason,
    GrammarForm,
    ModelSpec,
    Request,
    RunnerOptions,
    Supports,
    ThinkingBudget,
    Usage,
)
from runners.contract import Declaration
from runners.options import Option, seconds

Answer = Callable[[Request], str | Completion | Exception]

EMPTY_LIST = "END"
LAST_REQUESTS = 100
"""Requests that a mock keeps: a corpus asks more of it than fit into memory."""


def empty_list(request: Request) -> str:
    """The answer that claims no triplet, in the form that the request's constraint asks for."""
    if request.constraint is not None and request.constraint.form == "json_schema":
        return '{"triplets": []}'
    return EMPTY_LIST


class MockRunner:
    """Answers each request by calling ``answer``: a text, a whole completion, or an error to raise.

    Every grammar form is accepted and none is enforced, so what follows a runner sees what a
    misbehaving server could send. Token counts are words. ``requests`` keeps the last requests.
    """

    def __init__(self, answer: Answer | None = None, *, name: str = "mock", latency_s: float = 0.0) -> None:
        self.name = name
        self.identity: dict[str, str] = {"provider": "mock", "model": name}
        self.supports = Supports(
            forms=get_args(GrammarForm),
            max_top_logprobs=20,
            continues=True,
            takes_effort=True,
            thinking=ThinkingBudget(),
        )
        self.requests: deque[Request] = deque(maxlen=LAST_REQUESTS)
        self._answer = answer or empty_list
        self._latency_s = latency_s

    def check(self) -> None:
        """A mock runs anywhere."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was started."""

    async def probe(self, request: Request) -> None:
        """Everything is accepted."""

    async def generate(self, request: Request) -> Completion:
        self.requests.append(request)
        await asyncio.sleep(self._latency_s)
        answer = self._answer(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Completion):
            return answer
        prompt_tokens = sum(len(message.content.split()) for message in request.messages)
        return Completion(
            text=answer,
            finish_reason="stop",
            usage=Usage(prompt_tokens, len(answer.split())),
            latency_s=self._latency_s,
        )


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """The answer to every request whose messages hold ``contains``."""

    contains: str
    text: str
    finish_reason: FinishReason = "stop"


def mock_runner(spec: ModelSpec, options: RunnerOptions) -> MockRunner:
    """The mock as ``--model mock`` runs it.

    ``-M answers=FILE.jsonl`` gives one object a line, ``{"contains", "text"[, "finish_reason"]}``; the
    first whose ``contains`` occurs in the messages answers, and none leaves the empty list.
    ``-M latency_ms=50`` waits before each answer. Raises InputError for an unusable file.
    """
    path = options.extra.get("answers")
    answer = _from_script(_read_answers(Path(path))) if path else empty_list
    runner = MockRunner(answer, name=spec.name, latency_s=seconds(options.extra, "latency_ms", 0.0) / 1000)
    if path:
        runner.identity["answers_sha256"] = sha256(Path(path).read_bytes()).hexdigest()
    return runner


def _from_script(answers: Iterable[ScriptedAnswer]) -> Answer:
    script = tuple(answers)

    def answer(request: Request) -> str | Completion:
        prompt = "\n".join(message.content for message in request.messages)
        for scripted in script:
            if scripted.contains in prompt:
                return Completion(scripted.text, scripted.finish_reason)
        return empty_list(request)

    return answer


def _read_answers(path: Path) -> list[ScriptedAnswer]:
    example = 'write one object {"contains": "...", "text": "..."} a line'
    return [_scripted_answer(value, f"-M answers: {where}", example) for where, value in line_values(path, example)]


def _scripted_answer(value: object, where: str, example: str) -> ScriptedAnswer:
    match value:
        case {"contains": str(contains), "text": str(text), **more} if more.keys() <= {"finish_reason"}:
            reason = more.get("finish_reason", "stop")
            if reason not in get_args(FinishReason):
                raise InputError(f"{where}: finish_reason must be one of {', '.join(get_args(FinishReason))}")
            return ScriptedAnswer(contains, text, cast(FinishReason, reason))
        case _:
            raise InputError(f"{where}: {example}, contains and text both strings")


RUNNER = Declaration(
    "mock",
    mock_runner,
    {
        "answers": Option('a file of JSON lines {"contains": TEXT, "text": ANSWER} (docs/runners.md)'),
        "latency_ms": Option("milliseconds to wait before each answer", changes_answers=False),
    },
    prefix="mock",
)
