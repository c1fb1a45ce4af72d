"""The DocRED file format: a list of documents, or one a line, streamed from disk and validated.

Yao et al. (2019), "DocRED: A Large-Scale Document-Level Relation Extraction Dataset", ACL. A document is
``{title, sents: [[token]], vertexSet: [[{name, pos, sent_id, type}]], labels: [{h, t, r, evidence}]}`` with
``pos`` the tokens [start, end) of a mention in its sentence, ``h`` and ``t`` indices into ``vertexSet``.
``labels`` is absent or null where there is no gold, ``evidence`` where nobody marked it. Three keys are of this
project. Labels that no human wrote say so in ``label_source``: ``{"kind": "model" or "distant", "name": ...}``;
``candidate_pairs`` lists the pairs ``[head, tail]`` that can have a relation; and ``unseen_relations``, ``{id: name}``,
are those that the document tests and training does not have. Other keys are ignored. docs/formats.md lists the forms
that are read, and those that are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.datasets.fields import (
    Fault,
    digits,
    evidence_of,
    index_of,
    integer_of,
    list_of,
    member_of,
    object_of,
    refusal,
    text_of,
    title_of,
    token_of,
    tokens_of,
)
from harness.datasets.relation_table import NONE, relation_id
from harness.errors import InputError
from harness.json_files import list_values, shown
from harness.label_source import HUMAN, NO_LABELS, LabelKind, LabelSource
from harness.types import Document, Entity, Label, Mention, Relation, RelationSchema, Triplet

_LABEL_KINDS: tuple[LabelKind, ...] = ("human", "distant", "model")
_KEYS = {"title", "sents", "vertexSet"}
CANDIDATES = "candidate_pairs"
"""A key of this project: the pairs that can have a relation."""
UNSEEN = "unseen_relations"
"""A key of this project: the relations of a test of relations that training does not have."""
_FORM = "title, sents (lists of tokens), vertexSet and labels"
# In memory, documents take five times the room of their file. Re-DocRED's dev split is a file of 3 MB.
_KEPT_BYTES = 8 << 20


def read_documents(
    path: Path,
    schema: RelationSchema | None = None,
    labelled_by: LabelSource = HUMAN,
    *,
    unique_titles: bool = True,
) -> Iterator[Document]:
    """Yield the documents of a DocRED-format file one by one, each checked before it is yielded.

    Memory does not grow with the file, apart from the titles if they have to be unique. With ``schema`` None
    any relation id is accepted. ``labelled_by`` is who wrote the labels of documents that do not say it.
    At the first fault raises InputError: file, document, field and remedy.
    """
    values = list_values(path, "document")
    return checked_documents(values, path, "document", schema, labelled_by, unique_titles=unique_titles)


def checked_documents(
    values: Iterable[object],
    path: Path,
    noun: str,
    schema: RelationSchema | None,
    labelled_by: LabelSource,
    *,
    unique_titles: bool = True,
) -> Iterator[Document]:
    """The documents that the values of a file stand for, as of ``read_documents``; ``noun`` names one in errors."""
    first_use: dict[str, int] = {}
    for index, value in enumerate(values):
        try:
            document = document_of(value, schema, labelled_by)
            if unique_titles and (first := first_use.setdefault(document.title, index)) != index:
                raise Fault(f"is already that of {noun} {first}; titles must be unique", "title")
        except Fault as fault:
            raise refusal(path, f"{noun} {index}", value, fault) from None
        yield document


class DocumentFile(Collection[Document]):
    """The documents of a file as a sized collection: kept where the file is small, else streamed.

    ``read`` yields them from the start each time it is called; by default they are those of a DocRED-format file.
    Making one reads the whole file once and so validates it: InputError as in ``read_documents``. A file above
    8 MiB is read from disk again at each iteration; ``each`` is called with every document of that first reading.
    ``relation_ids`` are those that the labels use, in order of first appearance; ``label_sources`` say who wrote
    the labels, each with the title of its first document.
    """

    def __init__(
        self,
        path: Path,
        schema: RelationSchema | None = None,
        labelled_by: LabelSource = HUMAN,
        each: Callable[[Document], object] | None = None,
        read: Callable[[], Iterator[Document]] | None = None,
    ) -> None:
        self._read = read or (lambda: read_documents(path, schema, labelled_by))
        self.label_sources: dict[LabelSource, str] = {}
        self._kept: list[Document] | None = [] if _is_small(path) else None
        titles: set[str] = set()
        relation_ids: dict[str, None] = {}
        for document in self._read():
            titles.add(document.title)
            self.label_sources.setdefault(document.label_source, document.title)
            relation_ids.update((label.triplet.relation, None) for label in document.labels)
            if self._kept is not None:
                self._kept.append(document)
            if each:
                each(document)
        self._titles = frozenset(titles)
        self.relation_ids = tuple(relation_ids)

    def __iter__(self) -> Iterator[Document]:
        return self._read() if self._kept is None else iter(self._kept)

    def __len__(self) -> int:
        return len(self._titles)

    def __contains__(self, item: object) -> bool:
        """Whether a document, or a document of that title, is in the file."""
        if isinstance(item, Document):
            return item.title in self._titles and any(item == document for document in self)
        return item in self._titles if isinstance(item, str) else False


def _is_small(path: Path) -> bool:
    """Whether the documents of a file are kept; what a packed file unpacks to is not known."""
    return path.suffix != ".gz" and path.is_file() and path.stat().st_size <= _KEPT_BYTES


def sha256_of(path: Path) -> str:
    """The SHA-256 checksum of a file's bytes, in hexadecimal; InputError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def document_of(value: object, schema: RelationSchema | None, labelled_by: LabelSource) -> Document:
    """The document that a JSON object stands for; Fault with the path of the first wrong value."""
    fields = object_of(value)
    if not fields.keys() & _KEYS:
        held = ", ".join(shown(key) for key in list(fields)[:4])
        raise Fault(f"has the keys {held or '(none)'}, none of DocRED's; write one object a document, with {_FORM}")
    title = title_of(member_of(fields, "title"))
    sentences = tuple(
        tokens_of(sentence, "sents", i, remedy="give each sentence as a list of its tokens")
        for i, sentence in enumerate(list_of(member_of(fields, "sents"), "sents"))
    )
    entities = tuple(
        _entity(mentions, sentences, i)
        for i, mentions in enumerate(list_of(member_of(fields, "vertexSet"), "vertexSet"))
    )
    candidates = _candidates(fields.get(CANDIDATES), len(entities))
    unseen = _unseen(fields.get(UNSEEN))
    if fields.get("labels") is None:
        return Document(title, sentences, entities, label_source=NO_LABELS, candidates=candidates, unseen=unseen)
    labels, unrelated = _labels(
        _label(label, len(entities), len(sentences), schema, i)
        for i, label in enumerate(list_of(fields["labels"], "labels"))
    )
    stated = fields.get("label_source")
    source = labelled_by if stated is None else _label_source(stated)
    return Document(title, sentences, entities, labels, source, unrelated, candidates, unseen=unseen)


def _unseen(value: object) -> tuple[Relation, ...]:
    """``{id: name}``; nothing where the key is missing."""
    if value is None:
        return ()
    return tuple(Relation(id, text_of(name, UNSEEN, id)) for id, name in object_of(value, UNSEEN).items())


def _candidates(value: object, entities: int) -> tuple[tuple[int, int], ...] | None:
    """``[[head, tail], ...]``: the pairs that can have a relation; None where they are all."""
    if value is None:
        return None
    pairs = []
    for place, one in enumerate(list_of(value, CANDIDATES)):
        pair = list_of(one, CANDIDATES, place)
        if len(pair) != 2:
            raise Fault("is no pair; write [head, tail]", CANDIDATES, place)
        head, tail = (index_of(end, entities, "entity", CANDIDATES, place) for end in pair)
        pairs.append((head, tail))
    return tuple(sorted(set(pairs)))


def _label_source(value: object) -> LabelSource:
    """``{"kind": ..., "name": ...}``, or the kind alone."""
    stated = value if isinstance(value, dict) else {"kind": value}
    kind = next((one for one in _LABEL_KINDS if one == stated.get("kind")), None)
    if kind is None:
        raise Fault(f"must name a kind of labels, {', '.join(_LABEL_KINDS)}", "label_source")
    name = token_of(stated.get("name") or "", "label_source", "name")
    return LabelSource(kind, " ".join(name.split()))


def _entity(value: object, sentences: tuple[tuple[str, ...], ...], index: int) -> Entity:
    mentions = list_of(value, "vertexSet", index)
    if not mentions:
        raise Fault("has no mention; give the entity at least one or remove it", "vertexSet", index)
    return Entity(tuple(_mention(mention, sentences, "vertexSet", index, i) for i, mention in enumerate(mentions)))


def _mention(value: Any, sentences: tuple[tuple[str, ...], ...], *where: str | int) -> Mention:
    # Nearly every mention passes this test; the others are corrected or refused below, which takes three times as long.
    try:
        name, kind, sent_id, (start, end) = value["name"], value["type"], value["sent_id"], value["pos"]
        if (
            type(name) is type(kind) is str
            and type(sent_id) is type(start) is type(end) is int
            and (name and kind and name.isascii() and kind.isascii())
            and 0 <= sent_id < len(sentences)
            and 0 <= start < end <= len(sentences[sent_id])
        ):
            return Mention(name, sent_id, start, end, kind)
    except (KeyError, TypeError, ValueError):
        pass
    fields = object_of(value, *where)
    name = text_of(member_of(fields, "name", *where), *where, "name")
    kind = text_of(member_of(fields, "type", *where), *where, "type")
    sent_id = index_of(member_of(fields, "sent_id", *where), len(sentences), "sentence", *where, "sent_id")
    offsets = list_of(member_of(fields, "pos", *where), *where, "pos")
    if len(offsets) == 1 and isinstance(offsets[0], list):
        offsets = offsets[0]
    if list in map(type, offsets):
        raise Fault("holds several spans; make each a mention of its own, or give one span over all", *where, "pos")
    if len(offsets) != 2:
        raise Fault(f"has {len(offsets)} numbers; give two token offsets, [start, end)", *where, "pos")
    start, end = integer_of(offsets[0], *where, "pos", 0), integer_of(offsets[1], *where, "pos", 1)
    length = len(sentences[sent_id])
    if not 0 <= start < end <= length:
        raise Fault(
            f"[{digits(start)}, {digits(end)}) is no span of sentence {sent_id} of {length} tokens; "
            f"give 0 <= start < end <= {length}",
            *where,
            "pos",
        )
    return Mention(name, sent_id, start, end, kind)


def _labels(read: Iterable[Label]) -> tuple[tuple[Label, ...], tuple[tuple[int, int], ...]]:
    """The labels that state a relation, and the pairs that have none by a label and none by any other."""
    labels = list(read)
    stated = tuple(label for label in labels if label.triplet.relation != NONE)
    related = {(label.triplet.head, label.triplet.tail) for label in stated}
    none = dict.fromkeys((label.triplet.head, label.triplet.tail) for label in labels if label.triplet.relation == NONE)
    return stated, tuple(pair for pair in none if pair not in related)


def _label(value: Any, entities: int, sentences: int, schema: RelationSchema | None, index: int) -> Label:
    # As in ``_mention``.
    try:
        head, tail, written, evidence = value["h"], value["t"], value["r"], value["evidence"]
        if (
            type(head) is type(tail) is int
            and type(written) is str
            and (type(evidence) is list and {int}.issuperset(map(type, evidence)))
            and (0 <= head < entities and 0 <= tail < entities)
            and (not evidence or (min(evidence) >= 0 and max(evidence) < sentences))
            and (written and written.isascii())
            and (relation := relation_id(written, schema)) is not None
        ):
            return Label(Triplet(head, relation, tail), tuple(evidence))
    except (KeyError, TypeError):
        pass
    where = ("labels", index)
    fields = object_of(value, *where)
    head = index_of(member_of(fields, "h", *where), entities, "entity", *where, "h")
    tail = index_of(member_of(fields, "t", *where), entities, "entity", *where, "t")
    written = text_of(member_of(fields, "r", *where), *where, "r")
    relation = relation_id(written, schema)
    if relation is None:
        relations = len(schema.relations) if schema else 0
        raise Fault(
            f"{shown(written)} is none of the schema's {relations} relations; "
            "add it to rel_info.json or correct the label",
            *where,
            "r",
        )
    evidence = tuple(
        index_of(sentence, sentences, "sentence", *where, "evidence", place)
        for place, sentence in evidence_of(fields, *where)
    )
    return Label(Triplet(head, relation, tail), evidence)
