"""What `harness retry` asks again: the answers of a stored run that were no good, and nothing else."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from harness.json_files import json_text
from harness.store import DocumentRecord, RunFolder
from harness.types import Completion, Request, Status

ANSWERED_BADLY: tuple[Status, ...] = ("truncated", "refused", "invalid_output")
"""How documents end whose answers are asked for again. One that never got an answer is simply asked."""


class BadAnswer(NamedTuple):
    """An answer as a record holds it."""

    text: str
    finish_reason: str


class BadAnswers:
    """The answers of one document that were no good, by the messages that they were given to."""

    def __init__(self, answers: Mapping[bytes, Collection[BadAnswer]]) -> None:
        self._answers = answers

    def holds(self, request: Request, stored: Completion) -> bool:
        """Whether ``stored`` is one of them; another answer to the request has taken its place since."""
        digest = _digest((message.role, message.content) for message in request.messages)
        return BadAnswer(stored.text, stored.finish_reason) in self._answers.get(digest, ())


def bad_answers_of(folder: RunFolder) -> dict[str, BadAnswers]:
    """By title, for the documents that did not end well; InputError where the records are damaged."""
    return {record.title: _bad_of(record) for record in folder.documents() if record.status in ANSWERED_BADLY}


def _bad_of(record: DocumentRecord) -> BadAnswers:
    answers: defaultdict[bytes, set[BadAnswer]] = defaultdict(set)
    for step in record.steps:
        # Older records do not tell which of a document's answers it was.
        if step.get("status", record.status) != "ok":
            digest = _digest((message["role"], message["content"]) for message in step["messages"])
            answers[digest].add(BadAnswer(step["text"], step["finish_reason"]))
    return BadAnswers(answers)


def _digest(messages: Iterable[tuple[str, str]]) -> bytes:
    return hashlib.sha256(json_text(list(messages)).encode()).digest()
