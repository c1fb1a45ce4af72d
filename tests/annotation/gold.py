"""Gold documents as plain text, and as the answers that a perfect annotator would give."""

from __future__ import annotations

import json

from harness.datasets.plain import PlainDocument
from harness.datasets.tokens import split_sentences
from harness.escaping import format_triplet
from harness.types import Ask, Completion, Document, RelationSchema, Request


def as_plain(document: Document) -> PlainDocument:
    """The document as its author might have written it: each sentence a paragraph, without entities."""
    text = "\n\n".join(map(" ".join, document.sentences))
    return PlainDocument(document.title, split_sentences(text), (), text=text)


def entity_answer(document: Document) -> str:
    entities = [{"type": entity.type, "mentions": list(entity.names)} for entity in document.entities]
    return json.dumps({"entities": entities}, ensure_ascii=False)


def relation_answer(document: Document, schema: RelationSchema) -> str:
    lines = (
        format_triplet(f"E{head + 1}", schema.by_id[relation].name, f"E{tail + 1}") + "\n"
        for head, relation, tail in (label.triplet for label in document.labels)
    )
    return "".join(lines) + "END"


def scripted(*answers: str | Completion) -> tuple[Ask, list[Request]]:
    """A door that gives the answers in turn, and the requests that came through it."""
    remaining = list(answers)
    requests: list[Request] = []

    async def ask(request: Request) -> Completion:
        requests.append(request)
        answer = remaining.pop(0)
        return answer if isinstance(answer, Completion) else Completion(answer, "stop")

    return ask, requests
