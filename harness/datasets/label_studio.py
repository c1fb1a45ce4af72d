"""Label Studio's JSON export: tasks with a text, spans and relations between spans.

A task is ``{id, data: {text}, annotations: [{result: [...]}]}``. A result of the type ``labels`` is a span, ``{id,
value: {start, end, text, labels}}`` by characters; one of the type ``relation`` is ``{from_id, to_id, direction,
labels}``. Spans do not say which mention one entity: relations called ``coreference`` or ``same as`` do. Of several
annotations of a task the first that was not cancelled is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.datasets.fields import Fault, integer_of, list_of, member_of, object_of, refusal, text_of
from harness.datasets.offsets import SameEntity, TextMention, check_text, entities_in
from harness.datasets.relation_table import NONE, relation_id
from harness.json_files import list_values, shown
from harness.label_source import HUMAN, NO_LABELS, LabelSource
from harness.types import Document, Label, RelationSchema, Triplet

SAME = frozenset({"coreference", "coref", "same as", "same_as"})
Fields = dict[str, object]


def read_label_studio(
    path: Path, schema: RelationSchema | None = None, labelled_by: LabelSource = HUMAN
) -> Iterator[Document]:
    """Yield the tasks as documents titled by their ids; one without an annotation has no gold.

    Raises InputError with file, task and field at the first fault.
    """
    titles: set[str] = set()
    for index, value in enumerate(list_values(path, "task")):
        try:
            fields = object_of(value)
            title = str(member_of(fields, "id"))
            if title in titles:
                raise Fault("is already that of another task; ids must be unique", "id")
            titles.add(title)
            yield _document(title, fields, schema, labelled_by)
        except Fault as fault:
            named = {"title": str(value["id"])} if isinstance(value, dict) and "id" in value else None
            raise refusal(path, f"task {index}", named, fault) from None


def _document(title: str, fields: Fields, schema: RelationSchema | None, labelled_by: LabelSource) -> Document:
    if "data" not in fields:
        raise Fault("is missing; export as JSON: JSON-MIN leaves it and the relations out", "data")
    data = object_of(fields["data"], "data")
    text = text_of(member_of(data, "text", "data"), "data", "text")
    annotations = [
        (place, object_of(one, "annotations", place))
        for place, one in enumerate(list_of(fields.get("annotations", []), "annotations"))
    ]
    kept = [one for one in annotations if not one[1].get("was_cancelled")]
    results: list[tuple[tuple[str | int, ...], Fields]] = []
    for place, annotation in kept[:1]:
        path = ("annotations", place, "result")
        results += [
            ((*path, number), object_of(one, *path, number))
            for number, one in enumerate(list_of(member_of(annotation, "result", *path[:2]), *path))
        ]
    mentions: dict[str, TextMention] = {}
    for where, one in results:
        kind = one.get("type")
        if kind == "labels":
            id = text_of(member_of(one, "id", *where), *where, "id")
            mention = _mention(one, text, where)
            # Labels of two kinds for one span have its id.
            if mentions.setdefault(id, mention)[:2] != mention[:2]:
                raise Fault(f"{shown(id)} is that of another span; ids must be unique", *where, "id")
        elif isinstance(kind, str) and kind.endswith("labels"):
            raise Fault(f"{shown(kind)} are spans of no plain text; label a Text object with Labels", *where, "type")
    stated, same = _relations(results, mentions)
    joined = [one._replace(entity=same.of(id)) for id, one in mentions.items()]
    sentences, entities = entities_in(text, joined)
    places = {key: place for place, key in enumerate(entities)}
    labels = []
    for where, written, head, tail in stated:
        relation = relation_id(written, schema)
        if relation is None:
            raise Fault(f"{shown(written)} is no relation of the schema", *where, "labels")
        if relation != NONE:
            labels.append(Label(Triplet(places[same.of(head)], relation, places[same.of(tail)])))
    source = labelled_by if kept else NO_LABELS
    return Document(title, sentences, tuple(entities.values()), tuple(labels), source)


def _mention(result: Fields, text: str, where: tuple[str | int, ...]) -> TextMention:
    value = object_of(member_of(result, "value", *where), *where, "value")
    start = integer_of(member_of(value, "start", *where, "value"), *where, "value", "start")
    end = integer_of(member_of(value, "end", *where, "value"), *where, "value", "end")
    check_text(text, start, end, text_of(value.get("text", text[start:end]), *where, "value", "text"), *where)
    labels = list_of(member_of(value, "labels", *where, "value"), *where, "value", "labels")
    if not labels:
        raise Fault("is empty; give the span a label, its type", *where, "value", "labels")
    return TextMention(start, end, "", text_of(labels[0], *where, "value", "labels", 0), where)


def _relations(
    results: list[tuple[tuple[str | int, ...], Fields]], mentions: dict[str, TextMention]
) -> tuple[list[tuple[tuple[str | int, ...], str, str, str]], SameEntity]:
    """The relations between spans, from head to tail, and which span another is a mention of the entity of."""
    stated = []
    same = SameEntity()
    for where, one in results:
        if one.get("type") != "relation":
            continue
        ends = [text_of(member_of(one, key, *where), *where, key) for key in ("from_id", "to_id")]
        for key, end in zip(("from_id", "to_id"), ends, strict=True):
            if end not in mentions:
                raise Fault(f"no span has the id {shown(end)}", *where, key)
        names = [text_of(name, *where, "labels") for name in list_of(one.get("labels") or [], *where, "labels")]
        if not names:
            raise Fault("is empty; name the relation", *where, "labels")
        head, tail = reversed(ends) if one.get("direction") == "left" else ends
        for name in names:
            if name.lower() in SAME:
                same.join(head, tail)
            else:
                stated.append((where, name, head, tail))
                if one.get("direction") == "bi":
                    stated.append((where, name, tail, head))
    return stated, same
