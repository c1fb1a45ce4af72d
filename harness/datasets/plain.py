"""Plain texts as documents: what an author wrote, beside the tokens that come from it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from harness.types import Document


@dataclass(frozen=True, slots=True)
class PlainDocument(Document):
    """A document without entities; ``text`` is what its author wrote, which the tokens come from."""

    text: str = ""


def part_of(document: Document, sentences: range) -> Document:
    """Some sentences of a document, with the text that they come from."""
    part = document.sentences[sentences.start : sentences.stop]
    if not isinstance(document, PlainDocument):
        return replace(document, sentences=part)
    begin, end = (_end_of(document, count) for count in (sentences.start, sentences.stop))
    return replace(document, sentences=part, text=document.text[begin:end].strip())


def _end_of(document: PlainDocument, count: int) -> int:
    """Where the text of the first ``count`` sentences ends: tokens follow each other with only white space between."""
    position = 0
    for token in itertools.chain.from_iterable(document.sentences[:count]):
        position = document.text.index(token, position) + len(token)
    return position
