"""What an answer form is: a grammar in four notations, how a perfect answer is written, how any answer is read."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar

from harness.types import Completion, Constraint, GrammarForm, Reject, Status

Output = Literal["lines", "json"]
"""The notation of an answer: JSON where the grammar is a JSON schema, else lines."""


class Reading(Protocol):
    """What was read of an answer."""

    @property
    def rejects(self) -> Sequence[Reject]: ...


Read = TypeVar("Read", bound=Reading)


class AnswerForm(ABC, Generic[Read]):
    """One answer form about one question: subclasses hold the entities, relations or options that are asked about."""

    def render(self, form: GrammarForm) -> Constraint:
        """The grammar in the notation of ``form``; the same grammar always gives the same text."""
        notations: dict[GrammarForm, Callable[[], str]] = {
            "regex": self.regex,
            "gbnf": self.gbnf,
            "lark": self.lark,
            "json_schema": lambda: json.dumps(self.json_schema(), ensure_ascii=False),
        }
        return Constraint(form, notations[form]())

    @abstractmethod
    def regex(self) -> str: ...

    @abstractmethod
    def gbnf(self) -> str: ...

    @abstractmethod
    def lark(self) -> str: ...

    @abstractmethod
    def json_schema(self) -> dict[str, object]: ...

    @abstractmethod
    def write(self, content: Any, output: Output) -> str:
        """The answer that says ``content``, for demonstrations and scripted models."""

    def apart(self, completion: Completion) -> Completion:
        """The completion with the reasoning that its text begins with, where the form has any, kept apart."""
        return completion

    @abstractmethod
    def read(self, completion: Completion) -> Read:
        """What an answer says, whether or not the grammar was enforced; never fails."""

    @abstractmethod
    def status(self, completion: Completion, reading: Read) -> tuple[Status, str]:
        """How the answer ended: the status, and one sentence unless it is ok."""
