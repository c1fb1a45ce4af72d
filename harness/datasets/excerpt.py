"""Some sentences of a document as a document of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.types import Document, Entity


def excerpt(document: Document, sentences: Sequence[int]) -> tuple[Document, tuple[int, ...]]:
    """The document of these sentences, in their order, and the numbers of its entities in the whole one.

    Its entities are those with a mention there. It has no labels, and all pairs are candidates.
    """
    place = {sentence: number for number, sentence in enumerate(sentences)}
    inside = [
        (number, tuple(replace(one, sent_id=place[one.sent_id]) for one in mentions))
        for number, entity in enumerate(document.entities)
        if (mentions := [one for one in entity.mentions if one.sent_id in place])
    ]
    entities = tuple(Entity(mentions) for _, mentions in inside)
    part = Document(document.title, tuple(document.sentences[sentence] for sentence in sentences), entities)
    return part, tuple(number for number, _ in inside)
