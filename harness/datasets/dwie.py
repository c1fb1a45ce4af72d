"""DWIE's annotation files: a JSON file a document, with the article's text, mentions, concepts and relations.

Zaporojets et al. (2021), "DWIE: an entity-centric dataset for multi-task document-level information extraction",
Information Processing & Management. ``content`` is the text, which the corpus' public script adds to the annotations.
``tags`` name the split. ``mentions`` are ``{begin, end, text, concept}`` by characters, ``concepts`` ``{concept, text,
tags}``, and ``relations`` ``{s, p, o}`` between concepts. An entity is a concept with mentions. Its tags ``type::...``
are a hierarchy in alphabetical order (``company``, ``entity``, ``organization``): its type is the one of ``TYPES``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.datasets.fields import Fault, index_of, integer_of, list_of, member_of, object_of, refusal, text_of
from harness.datasets.offsets import TextMention, check_text, entities_in
from harness.datasets.relation_table import NONE, relation_id
from harness.errors import InputError
from harness.json_files import shown, whole_value
from harness.label_source import HUMAN, LabelSource
from harness.types import Document, Label, RelationSchema, Triplet

TYPES = (
    *("person", "organization", "location", "event", "ethnicity", "ideology", "language", "misc"),
    *("value", "other", "entity"),
)
"""The coarse entity types: the kinds of named entities, then the roots of the hierarchy, the first that is there."""

TYPE = "type::"
NO_TYPE = "none"


def read_dwie(
    folder: Path, schema: RelationSchema | None = None, labelled_by: LabelSource = HUMAN, tag: str | None = None
) -> Iterator[Document]:
    """Yield the documents of a folder in the order of their files; with ``tag`` those that have it, as ``train``.

    Relations of concepts without a mention are left out, as no text states them. Raises InputError with file, document
    and field at the first fault.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError(f"{folder}: holds no .json file; give the folder of DWIE's annotations with content")
    titles: set[str] = set()
    for file in files:
        value = whole_value(file, "the annotation")
        try:
            fields = object_of(value)
            tags = [text_of(one, "tags", place) for place, one in enumerate(list_of(fields.get("tags", []), "tags"))]
            if tag is None or tag in tags:
                document = _document(fields, schema, labelled_by)
                if document.title in titles:
                    raise Fault("is already that of another file; ids must be unique", "id")
                titles.add(document.title)
                yield document
        except Fault as fault:
            title = {"title": value.get("id")} if isinstance(value, dict) else None
            raise refusal(file, "the annotation", title, fault) from None


def _document(fields: dict[str, object], schema: RelationSchema | None, labelled_by: LabelSource) -> Document:
    title = text_of(member_of(fields, "id"), "id")
    if "content" not in fields:
        raise Fault("is missing; add the article's text with DWIE's script for downloads", "content")
    text = text_of(fields["content"], "content")
    concepts = list_of(member_of(fields, "concepts"), "concepts")
    types = _types(concepts)
    mentions = [
        _mention(one, text, types, place)
        for place, one in enumerate(list_of(member_of(fields, "mentions"), "mentions"))
    ]
    sentences, entities = entities_in(text, mentions)
    places = {concept: place for place, concept in enumerate(entities)}
    labels = tuple(_labels(fields, places, len(concepts), schema))
    return Document(title, sentences, tuple(entities.values()), labels, labelled_by)


def _types(concepts: Sequence[object]) -> Sequence[str]:
    """The type of each concept by its number, which its place in the list is in the corpus' files."""
    types: dict[int, str] = {}
    for place, one in enumerate(concepts):
        fields = object_of(one, "concepts", place)
        number = index_of(fields.get("concept", place), len(concepts), "concept", "concepts", place, "concept")
        if number in types:
            raise Fault(f"is {number}, as of another concept; numbers must be unique", "concepts", place, "concept")
        types[number] = _type(fields)
    return [types[number] for number in range(len(concepts))]


def _type(concept: dict[str, object]) -> str:
    tags = concept.get("tags")
    named = [one for one in tags if isinstance(one, str)] if isinstance(tags, list) else []
    given = [one.removeprefix(TYPE) for one in named if one.startswith(TYPE)]
    return next((one for one in (*TYPES, *given) if one in given), NO_TYPE)


def _mention(value: object, text: str, types: Sequence[str], place: int) -> TextMention:
    where = ("mentions", place)
    fields = object_of(value, *where)
    start = integer_of(member_of(fields, "begin", *where), *where, "begin")
    end = integer_of(member_of(fields, "end", *where), *where, "end")
    check_text(text, start, end, text_of(member_of(fields, "text", *where), *where, "text"), *where)
    concept = index_of(member_of(fields, "concept", *where), len(types), "concept", *where, "concept")
    return TextMention(start, end, concept, types[concept], where)


def _labels(
    fields: dict[str, object], places: Mapping[Hashable, int], concepts: int, schema: RelationSchema | None
) -> Iterator[Label]:
    for place, value in enumerate(list_of(member_of(fields, "relations"), "relations")):
        where = ("relations", place)
        relation = object_of(value, *where)
        head, tail = (
            index_of(member_of(relation, key, *where), concepts, "concept", *where, key) for key in ("s", "o")
        )
        written = text_of(member_of(relation, "p", *where), *where, "p")
        known = relation_id(written, schema)
        if known is None:
            raise Fault(f"{shown(written)} is no relation of the schema", *where, "p")
        if known != NONE and head in places and tail in places:
            yield Label(Triplet(places[head], known, places[tail]))
