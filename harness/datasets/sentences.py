"""Sentences with given pairs of entities, as the zero-shot protocols on unseen relations publish them.

Two forms are read, by the keys of a sentence:

- ``{"triplets": [{"tokens", "head", "tail", "label_id", "label"}]}``, a line each: the public splits of FewRel and
  Wiki-ZSL into seen and unseen relations of RelationPrompt (Chia et al., 2022, Findings of ACL). ``head`` and ``tail``
  list token indices, ``label`` is the relation's name. Triplets with ``"zerorc_included": false`` are left out: ZS-BERT
  keeps the first triplet of a sentence only.
- ``{"tokens", "edgeSet": [{"left", "right", "kbID"}]}``: Wiki-ZSL as ZS-BERT publishes it (Chen and Li, 2021, NAACL),
  after the corpus of Sorokin and Gurevych (2017). The first edge counts. Names come from FewRel's ``pid2name.json``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.datasets.fewrel import ENTITY_TYPE, read_names
from harness.datasets.fields import Fault, integer_of, list_of, member_of, object_of, refusal, text_of, tokens_of
from harness.errors import InputError
from harness.json_files import list_values, shown
from harness.label_source import HUMAN, LabelSource
from harness.spacing import Spacing
from harness.types import Document, Entity, Label, Mention, Relation, RelationSchema, Triplet

Names = dict[str, str]
"""Relation id -> name, in the order of the file."""


def read_sentences(
    path: Path, table: Path, labelled_by: LabelSource = HUMAN
) -> tuple[RelationSchema, tuple[Document, ...]]:
    """The relations that the sentences state, and a document for each sentence, titled ``sentence`` and its number.

    The candidate pairs are those that the triplets name. ``table`` holds names where the file holds none. Raises
    InputError with file, sentence and field at the first fault.
    """
    names: Names = {}
    documents = []
    known: Mapping[str, str] | None = None
    for index, value in enumerate(list_values(path, "sentence")):
        try:
            fields = object_of(value)
            if "triplets" in fields:
                triplets = list(_triplets(fields))
            elif "edgeSet" not in fields:
                raise Fault("is missing, and so are triplets; write one of them with each sentence", "edgeSet")
            else:
                if known is None:
                    known = _names_in(table, path)
                triplets = list(_first_edge(fields, known))
            if triplets:
                documents.append(_document(index, triplets, names, labelled_by))
        except Fault as fault:
            raise refusal(path, f"sentence {index}", None, fault) from None
    if not names:
        raise InputError(f"{path}: holds no sentence with a triplet; give a file of FewRel's or Wiki-ZSL's splits")
    try:
        return RelationSchema(tuple(Relation(id, name) for id, name in _distinct(names))), tuple(documents)
    except Fault as fault:
        raise InputError(f"{path}: {fault}") from None


def _names_in(table: Path, path: Path) -> Mapping[str, str]:
    if not table.is_file():
        raise InputError(f"{path}: names relations by id only: put FewRel's {table.name} beside it")
    return {id: name for id, (name, _) in read_names(table).items()}


def _distinct(names: Names) -> Iterator[tuple[str, str]]:
    by_name: dict[str, str] = {}
    for id, name in names.items():
        if (other := by_name.setdefault(name, id)) != id:
            raise Fault(f"relations {other} and {id} have one name, {shown(name)}; correct one")
        yield id, name


Found = tuple[tuple[str, ...], list[int], list[int], str, str]
"""Tokens, token indices of head and tail, relation id and name."""


def _triplets(fields: dict[str, object]) -> Iterator[Found]:
    for place, value in enumerate(list_of(fields["triplets"], "triplets")):
        where = ("triplets", place)
        triplet = object_of(value, *where)
        if triplet.get("zerorc_included") is False:
            continue
        tokens = tokens_of(member_of(triplet, "tokens", *where), *where, "tokens")
        head, tail = (_indices(triplet, key, tokens, *where) for key in ("head", "tail"))
        name = text_of(member_of(triplet, "label", *where), *where, "label")
        yield tokens, head, tail, str(triplet.get("label_id") or name), name


def _first_edge(fields: dict[str, object], names: Mapping[str, str]) -> Iterator[Found]:
    tokens = tokens_of(member_of(fields, "tokens"), "tokens")
    for value in list_of(member_of(fields, "edgeSet"), "edgeSet")[:1]:
        where = ("edgeSet", 0)
        edge = object_of(value, *where)
        head, tail = (_indices(edge, key, tokens, *where) for key in ("left", "right"))
        relation = text_of(member_of(edge, "kbID", *where), *where, "kbID")
        if relation not in names:
            raise Fault(f"{shown(relation)} has no name in the table of relations; add it", *where, "kbID")
        yield tokens, head, tail, relation, names[relation]


def _indices(fields: dict[str, object], key: str, tokens: tuple[str, ...], *where: str | int) -> list[int]:
    """The tokens of an entity: a list of indices that may be out of order."""
    values = list_of(member_of(fields, key, *where), *where, key)
    indices = sorted(integer_of(one, *where, key) for one in values)
    if not indices or not 0 <= indices[0] <= indices[-1] < len(tokens):
        raise Fault(f"{indices} are no tokens of a sentence of {len(tokens)}; correct them", *where, key)
    return indices


def _document(number: int, triplets: list[Found], names: Names, labelled_by: LabelSource) -> Document:
    tokens = triplets[0][0]
    spacing = Spacing.of([tokens])
    places: dict[tuple[int, int], int] = {}
    labels: dict[Triplet, None] = {}
    for place, (own, head, tail, relation, name) in enumerate(triplets):
        if own != tokens:
            raise Fault("are not those of the first triplet; write one sentence a line", "triplets", place, "tokens")
        if names.setdefault(relation, name) != name:
            raise Fault(f"{shown(name)} is not the name that {relation} had before", "triplets", place, "label")
        spans = [(one[0], one[-1] + 1) for one in (head, tail)]
        first, second = (places.setdefault(span, len(places)) for span in spans)
        labels[Triplet(first, relation, second)] = None
    entities = tuple(
        Entity((Mention(spacing.join(tokens[start:end]), 0, start, end, ENTITY_TYPE),)) for start, end in places
    )
    pairs = tuple(sorted({(one.head, one.tail) for one in labels if one.head != one.tail}))
    found = tuple(Label(one, evidence=(0,)) for one in labels)
    return Document(f"sentence {number}", (tokens,), entities, found, labelled_by, candidates=pairs)
