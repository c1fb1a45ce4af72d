"""spaCy's DocBin: documents with entities, and relations as in spaCy's own tutorial on relation extraction.

An entity is a span of ``doc.ents``; those with the same ``ent_id_`` (or ``kb_id_``) are mentions of one, but for
``NIL``. Relations are in ``doc._.rel``, stored with the file (``store_user_data=True``): (first token of the head, of
the tail) -> {relation: probability}, of which those from 0.5 on hold. A document's title is
``doc.user_data["title"]``, or its number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.datasets.fields import Fault, refusal
from harness.datasets.relation_table import NONE, relation_id
from harness.errors import InputError
from harness.json_files import shown
from harness.label_source import HUMAN, NO_LABELS, LabelSource
from harness.types import Document, Entity, Label, Mention, RelationSchema, Triplet

if TYPE_CHECKING:
    from spacy.tokens import Doc

HOLDS = 0.5
"""The probability from which on a relation holds."""
_NOT_LINKED = ("", "NIL")
"""The second is what spaCy's entity linker gives an entity that it does not know."""
_RELATIONS = ("._.", "rel", None, None)
"""Where spaCy keeps the values of the extension ``doc._.rel``."""


def read_docbin(
    path: Path, schema: RelationSchema | None = None, labelled_by: LabelSource = HUMAN
) -> Iterator[Document]:
    """Yield the documents one by one; those without ``doc._.rel`` have no gold.

    Raises InputError for a file that is no DocBin, where spaCy is missing, and at the first fault of a document.
    """
    try:
        import spacy
        from spacy.tokens import DocBin
    except ImportError:
        raise InputError("reading .spacy files needs spaCy: pip install spacy") from None
    try:
        stored = list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))
    except Exception as error:  # spaCy and msgpack raise of every kind for a damaged file.
        raise InputError(f"{path}: is no DocBin of spaCy ({error}); get it whole") from None
    titles: set[str] = set()
    for index, doc in enumerate(stored):
        title = str(doc.user_data.get("title") or index)
        try:
            if title in titles:
                raise Fault("is already that of another document; titles must be unique", "title")
            titles.add(title)
            yield _document(doc, title, schema, labelled_by)
        except Fault as fault:
            raise refusal(path, f"document {index}", {"title": title}, fault) from None


def _checked(relations: Any) -> list[tuple[tuple[int, int], dict[str, float]]]:
    """The pairs of tokens with their relations; Fault where ``doc._.rel`` is of another form."""
    try:
        checked = [
            ((int(head), int(tail)), {str(written): float(one) for written, one in held.items()})
            for (head, tail), held in relations.items()
        ]
    except (AttributeError, TypeError, ValueError):
        raise Fault("write {(token, token): {relation: probability}}", "rel") from None
    if not all(math.isfinite(one) for _, held in checked for one in held.values()):
        raise Fault("holds a probability that is no number; correct it", "rel")
    return checked


def _document(doc: Doc, title: str, schema: RelationSchema | None, labelled_by: LabelSource) -> Document:
    borders = [span.start for span in doc.sents] if doc.has_annotation("SENT_START") else [0]
    # Spaces are tokens of spaCy, and none of ours.
    sentences: list[list[str]] = []
    place: dict[int, tuple[int, int]] = {}
    for token in doc:
        if token.i in borders or not sentences:
            sentences.append([])
        if not token.is_space:
            place[token.i] = (len(sentences) - 1, len(sentences[-1]))
            sentences[-1].append(token.text)
    mentions: dict[str, list[Mention]] = {}
    of_token: dict[int, str] = {}
    for number, span in enumerate(doc.ents):
        inside = [place[token.i] for token in span if token.i in place]
        if not inside or not span.label_:
            raise Fault("needs a token and a label", "ents", number)
        if inside[0][0] != inside[-1][0]:
            raise Fault(f"{shown(span.text)} goes over the end of a sentence", "ents", number)
        key = next((id for id in (span.ent_id_, span.kb_id_) if id not in _NOT_LINKED), f"mention {number}")
        name = " ".join(span.text.split())
        mentions.setdefault(key, []).append(Mention(name, *inside[0], inside[-1][1] + 1, span.label_))
        of_token[span.start] = key
    places = {key: number for number, key in enumerate(mentions)}
    kept: Any = doc.user_data  # typed as if its keys were texts
    relations = kept.get(_RELATIONS)
    entities = tuple(Entity(tuple(several)) for several in mentions.values())
    tokens = tuple(tuple(sentence) for sentence in sentences)
    if relations is None:
        return Document(title, tokens, entities, label_source=NO_LABELS)
    labels = []
    for (head, tail), held in _checked(relations):
        for written, probability in held.items():
            relation = relation_id(written, schema)
            if relation is None:
                raise Fault(f"{shown(written)} is no relation of the schema", "rel")
            if unknown := [token for token in (head, tail) if token not in of_token]:
                raise Fault(f"no entity begins at token {unknown[0]}", "rel")
            if probability >= HOLDS and relation != NONE:
                labels.append(Label(Triplet(places[of_token[head]], relation, places[of_token[tail]])))
    return Document(title, tokens, entities, tuple(labels), labelled_by)
