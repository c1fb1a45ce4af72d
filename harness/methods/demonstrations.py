"""Demonstrations: how a perfect model would answer every question about a labelled document."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from harness.escaping import TERMINATOR, escape, format_item, format_triplet
from harness.grammar.options import ANSWER_FIELD
from harness.types import Document, Method, RawTriplet, Request


class Demonstration(NamedTuple):
    """A question of a method, the step that asks it, and the answer that the document's labels give."""

    step: str
    request: Request
    answer: str


class PromptMethod(Method, Protocol):
    """A method that can also be shown at work: for few-shot prompts, previews and tests."""

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """Every exchange about ``document``, in the order in which a perfect model would be asked."""
        ...


def format_answer(triplets: Iterable[RawTriplet], output: str) -> str:
    """An answer that lists ``triplets`` in the notation ``output``: ``lines`` or ``json``."""
    if output == "json":
        items = [{name: escape(text) for name, text in triplet._asdict().items()} for triplet in triplets]
        return json.dumps({"triplets": items}, ensure_ascii=False)
    return "\n".join([*(format_triplet(*triplet) for triplet in triplets), TERMINATOR])


def format_option(label: str, output: str) -> str:
    """An answer that names the option ``label`` in the notation ``output``: the ``lines`` form is the label alone."""
    return json.dumps({ANSWER_FIELD: label}, ensure_ascii=False) if output == "json" else label


def format_list(name: str, items: Iterable[str], output: str) -> str:
    """An answer that lists unescaped ``items`` in the notation ``output``; in JSON under ``name``."""
    if output == "json":
        return json.dumps({name: list(map(escape, items))}, ensure_ascii=False)
    return "\n".join([*map(format_item, items), TERMINATOR])
