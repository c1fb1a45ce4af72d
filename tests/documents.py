"""Documents for tests, made from plain tuples."""

from __future__ import annotations

from harness.types import Document, Entity, Label, Mention, Relation, RelationSchema, Triplet

SCHEMA = RelationSchema((Relation("P17", "country"), Relation("P36", "capital"), Relation("P495", "country of origin")))


def document(
    text: str,
    entities: list[list[tuple[int, int, int, str]]],
    labels: list[tuple[int, str, int]] | None = None,
    title: str = "Title",
) -> Document:
    """``text`` has one sentence a line, tokens apart by spaces; a mention is (sentence, start, end, type)."""
    sentences = tuple(tuple(line.split(" ")) for line in text.split("\n"))
    return Document(
        title,
        sentences,
        tuple(
            Entity(
                tuple(
                    Mention(" ".join(sentences[sentence][start:end]), sentence, start, end, kind)
                    for sentence, start, end, kind in mentions
                )
            )
            for mentions in entities
        ),
        tuple(Label(Triplet(*label)) for label in labels or []),
    )
