"""What is valid in a corpus and may still be a mistake: one sentence for each kind, with its count and first place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.json_files import shown
from harness.types import Document, RelationSchema


def remarks(documents: Iterable[Document], schema: RelationSchema) -> list[str]:
    """Labels that no answer can hold, blank names, and titles or relation names that differ by case or spaces alone."""
    found: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    for document in documents:
        for kind in _of_document(document):
            found.setdefault(kind, []).append(document.title)
        if titles.setdefault(_folded(document.title), document.title) != document.title:
            found.setdefault("titles that differ from another by case or spaces alone", []).append(document.title)
    lines = [f"{kind}: {len(places):,}, the first in {shown(places[0])}" for kind, places in found.items()]
    names: dict[str, str] = {}
    for relation in schema.relations:
        if (other := names.setdefault(_folded(relation.name), relation.name)) != relation.name:
            lines.append(f"relations {shown(other)} and {shown(relation.name)} differ by case or spaces alone")
    return lines


def _of_document(document: Document) -> Iterator[str]:
    candidates = None if document.candidates is None else set(document.candidates)
    for label in document.labels:
        pair = label.triplet.head, label.triplet.tail
        if pair[0] == pair[1]:
            yield "labels that join an entity with itself, which no answer can hold"
        elif candidates is not None and pair not in candidates:
            yield "labels of pairs that are no candidate pairs, which no prompt asks about"
    for entity in document.entities:
        for mention in entity.mentions:
            if not mention.name.strip():
                yield "mentions with a blank name"


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
