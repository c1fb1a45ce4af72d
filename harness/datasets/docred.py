"""The DocRED file format: a list of documents, and a table of relations, streamed from disk and validated.

Yao et al. (2019), "DocRED: A Large-Scale Document-Level Relation Extraction Dataset", ACL. A document is
``{title, sents: [[token]], vertexSet: [[{name, pos, sent_id, type}]], labels: [{h, t, r, evidence}]}`` with
``pos`` the tokens [start, end) of a mention in its sentence, ``h`` and ``t`` indices into ``vertexSet``.
``labels`` is absent or null where there is no gold, ``evidence`` where nobody marked it. Labels that no human wrote
say so in a key of this project, ``label_source``: ``{"kind": "model" or "distant", "name": ...}``. Other keys are
ignored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from harness.datasets.json_stream import list_values, shown, whole_value
from harness.errors import InputError
from harness.label_source import HUMAN, NO_LABELS, LabelKind, LabelSource
from harness.types import Document, Entity, Label, Mention, Relation, RelationSchema, Triplet

_SURROGATE = re.compile("[\ud800-\udfff]")

_LABEL_KINDS: tuple[LabelKind, ...] = ("human", "distant", "model")
_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}


class _Fault(Exception):
    """What is wrong with a value, and the path of keys and indices that leads to it."""

    def __init__(self, problem: str, *where: str | int) -> None:
        super().__init__(problem)
        self.problem = problem
        steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in where]
        self.field = "".join(steps).removeprefix(".")


def read_schema(path: Path) -> RelationSchema:
    """Read ``rel_info.json``: one object, relation id -> relation name, in the order of the file.

    Raises InputError where the file is not such an object, is empty, or gives two relations one name.
    """
    try:
        table = _object(whole_value(path, "the relation table"))
        relations = tuple(Relation(_text(key, key), _text(name, key)) for key, name in table.items())
        owners: dict[str, str] = {}
        for relation in relations:
            if (owner := owners.setdefault(relation.name, relation.id)) != relation.id:
                raise _Fault(f"has the name {shown(relation.name)} of {owner}; rename one", relation.id)
        if not relations:
            raise _Fault('holds no relation; write {"id": "name", ...}')
    except _Fault as fault:
        field = f"relation {shown(fault.field)}" if fault.field else "the relation table"
        raise InputError(f"{path}: {field}: {fault.problem}") from None
    return RelationSchema(relations)


def read_documents(
    path: Path, schema: RelationSchema | None = None, labelled_by: LabelSource = HUMAN
) -> Iterator[Document]:
    """Yield the documents of a DocRED-format file one by one, each checked before it is yielded.

    Memory does not grow with the file, apart from the titles, which must be unique. With ``schema`` None
    any relation id is accepted. ``labelled_by`` is who wrote the labels of documents that do not say it.
    At the first fault raises InputError: file, document, field and remedy.
    """
    first_use: dict[str, int] = {}
    for index, value in enumerate(list_values(path, "document")):
        try:
            document = _document(value, schema, labelled_by)
            if (first := first_use.setdefault(document.title, index)) != index:
                raise _Fault(f"is already that of document {first}; titles must be unique", "title")
        except _Fault as fault:
            title = value.get("title") if isinstance(value, dict) else None
            named = f"document {index} ({shown(title)})" if isinstance(title, str) else f"document {index}"
            place = f"{named}: {fault.field}" if fault.field else named
            raise InputError(f"{path}: {place}: {fault.problem}") from None
        yield document


class DocumentFile(Collection[Document]):
    """The documents of a DocRED-format file as a sized collection that streams from disk at each iteration.

    Making one reads the whole file once and so validates it: InputError as in ``read_documents``.
    ``relation_ids`` are those that the labels use, in order of first appearance; ``label_sources`` say who wrote
    the labels, each with the title of its first document.
    """

    def __init__(self, path: Path, schema: RelationSchema | None = None, labelled_by: LabelSource = HUMAN) -> None:
        self.path = path
        self.schema = schema
        self.labelled_by = labelled_by
        self.label_sources: dict[LabelSource, str] = {}
        titles: set[str] = set()
        relation_ids: dict[str, None] = {}
        for document in read_documents(path, schema, labelled_by):
            titles.add(document.title)
            self.label_sources.setdefault(document.label_source, document.title)
            relation_ids.update((label.triplet.relation, None) for label in document.labels)
        self._titles = frozenset(titles)
        self.relation_ids = tuple(relation_ids)

    def __iter__(self) -> Iterator[Document]:
        return read_documents(self.path, self.schema, self.labelled_by)

    def __len__(self) -> int:
        return len(self._titles)

    def __contains__(self, item: object) -> bool:
        """Whether a document, or a document of that title, is in the file."""
        if isinstance(item, Document):
            return item.title in self._titles and any(item == document for document in self)
        return item in self._titles if isinstance(item, str) else False


def sha256_of(path: Path) -> str:
    """The SHA-256 checksum of a file's bytes, in hexadecimal; InputError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _document(value: object, schema: RelationSchema | None, labelled_by: LabelSource) -> Document:
    fields = _object(value)
    title = _text(_member(fields, "title"), "title")
    sentences = tuple(
        tuple(_token(token, "sents", i, j) for j, token in enumerate(_list(sentence, "sents", i)))
        for i, sentence in enumerate(_list(_member(fields, "sents"), "sents"))
    )
    entities = tuple(
        _entity(mentions, sentences, i) for i, mentions in enumerate(_list(_member(fields, "vertexSet"), "vertexSet"))
    )
    if fields.get("labels") is None:
        return Document(title, sentences, entities, label_source=NO_LABELS)
    labels = tuple(
        _label(label, len(entities), len(sentences), schema, i)
        for i, label in enumerate(_list(fields["labels"], "labels"))
    )
    stated = fields.get("label_source")
    return Document(title, sentences, entities, labels, labelled_by if stated is None else _label_source(stated))


def _label_source(value: object) -> LabelSource:
    """``{"kind": ..., "name": ...}``, or the kind alone."""
    stated = value if isinstance(value, dict) else {"kind": value}
    kind = next((one for one in _LABEL_KINDS if one == stated.get("kind")), None)
    if kind is None:
        raise _Fault(f"must name a kind of labels, {', '.join(_LABEL_KINDS)}", "label_source")
    name = _token(stated.get("name") or "", "label_source", "name")
    return LabelSource(kind, " ".join(name.split()))


def _entity(value: object, sentences: tuple[tuple[str, ...], ...], index: int) -> Entity:
    mentions = _list(value, "vertexSet", index)
    if not mentions:
        raise _Fault("has no mention; give the entity at least one or remove it", "vertexSet", index)
    return Entity(tuple(_mention(mention, sentences, "vertexSet", index, i) for i, mention in enumerate(mentions)))


def _mention(value: object, sentences: tuple[tuple[str, ...], ...], *where: str | int) -> Mention:
    fields = _object(value, *where)
    name = _text(_member(fields, "name", *where), *where, "name")
    kind = _text(_member(fields, "type", *where), *where, "type")
    sent_id = _index(_member(fields, "sent_id", *where), len(sentences), "sentence", *where, "sent_id")
    offsets = _list(_member(fields, "pos", *where), *where, "pos")
    if len(offsets) != 2:
        raise _Fault(f"has {len(offsets)} numbers; give two token offsets, [start, end)", *where, "pos")
    start, end = (_integer(offset, *where, "pos", i) for i, offset in enumerate(offsets))
    length = len(sentences[sent_id])
    if not 0 <= start < end <= length:
        raise _Fault(
            f"[{_digits(start)}, {_digits(end)}) is no span of sentence {sent_id} of {length} tokens; "
            f"give 0 <= start < end <= {length}",
            *where,
            "pos",
        )
    return Mention(name, sent_id, start, end, kind)


def _label(value: object, entities: int, sentences: int, schema: RelationSchema | None, index: int) -> Label:
    where = ("labels", index)
    fields = _object(value, *where)
    head = _index(_member(fields, "h", *where), entities, "entity", *where, "h")
    tail = _index(_member(fields, "t", *where), entities, "entity", *where, "t")
    relation = _text(_member(fields, "r", *where), *where, "r")
    if schema is not None and relation not in schema.by_id:
        raise _Fault(
            f"{shown(relation)} is none of the schema's {len(schema.relations)} relations; "
            "add it to rel_info.json or correct the label",
            *where,
            "r",
        )
    evidence = tuple(
        _index(sentence, sentences, "sentence", *where, "evidence", i)
        for i, sentence in enumerate(_list(fields.get("evidence", []), *where, "evidence"))
    )
    return Label(Triplet(head, relation, tail), evidence)


def _member(fields: dict[str, object], key: str, *where: str | int) -> object:
    if key not in fields:
        raise _Fault("is missing; add it", *where, key)
    return fields[key]


def _object(value: object, *where: str | int) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _wrong_kind("an object", value, *where)
    return value


def _list(value: object, *where: str | int) -> list[object]:
    if not isinstance(value, list):
        raise _wrong_kind("a list", value, *where)
    return value


def _integer(value: object, *where: str | int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_kind("a whole number", value, *where)
    return value


def _index(value: object, size: int, noun: str, *where: str | int) -> int:
    index = _integer(value, *where)
    if not 0 <= index < size:
        there_are = f"they are numbered 0 to {size - 1}" if size else "the document has none"
        raise _Fault(f"there is no {noun} {_digits(index)}; {there_are}", *where)
    return index


def _token(value: object, *where: str | int) -> str:
    if not isinstance(value, str):
        raise _wrong_kind("a string", value, *where)
    if not value.isascii() and _SURROGATE.search(value):
        raise _Fault(f"{shown(value)} holds half of a surrogate pair; give the whole character", *where)
    return value


def _text(value: object, *where: str | int) -> str:
    text = _token(value, *where)
    if not text:
        raise _Fault("is empty; give it a text", *where)
    return text


def _wrong_kind(wanted: str, value: object, *where: str | int) -> _Fault:
    kind = f"the number {_digits(value)}" if type(value) in (int, float) else _KINDS[type(value)]
    return _Fault(f"must be {wanted}, not {kind}; correct it", *where)


def _digits(value: object) -> str:
    """A number cut to a readable length: JSON allows thousands of digits."""
    digits = str(value)
    return digits if len(digits) <= 20 else digits[:17] + "..."
