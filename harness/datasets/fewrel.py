"""FewRel: sentences with one labelled pair of entities each, read as documents of one sentence and two entities.

Han et al. (2018), "FewRel: A Large-Scale Supervised Few-Shot Relation Classification Dataset with
State-of-the-Art Evaluation", EMNLP. The file is one object, relation id -> ``[{tokens, h, t}]``, with ``h`` and
``t`` as ``[name, Wikidata id, [[token index]]]``; relation names are in ``pid2name.json``, relation id ->
``[name, description]``. Its other domains (Gao et al., 2019, "FewRel 2.0", EMNLP) name relations in words, such as
``biological_process_involves_gene_product``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from harness.errors import InputError
from harness.json_files import MAX_STORED_CHARACTERS, shown, whole_value
from harness.spacing import Spacing
from harness.types import Document, Entity, Label, Mention, Relation, RelationSchema, Triplet

ENTITY_TYPE = "ENTITY"
"""FewRel gives its entities no types."""

_WIKIDATA_ID = re.compile(r"P\d+")
_Content = TypeVar("_Content")
_EntityFields = tuple[str, str, list[list[int]]]


class _Sentence(BaseModel):
    tokens: list[str]
    h: _EntityFields
    t: _EntityFields


def read_fewrel(sentences: Path, names: Path) -> tuple[RelationSchema, tuple[Document, ...]]:
    """The schema, in the order of the file, and a document for each sentence, one relation after the other in turn.

    A title is ``sentence`` and a number, so that it says nothing of the label; the labelled pair is entity 0 to
    entity 1. Raises InputError where a file is missing, is not of the format, or names a token that is not there, where
    a relation has no sentence, and where two have one name.
    """
    by_relation = _read(sentences, TypeAdapter(dict[str, list[_Sentence]]))
    table = read_names(names)
    named = {relation: name for relation, (name, _) in table.items()}
    owners: dict[str, str] = {}
    for relation in sorted(by_relation):
        if relation not in named and _WIKIDATA_ID.fullmatch(relation):
            raise InputError(
                f"{sentences}: relation {relation} has no name in {names}; give the file that belongs to it"
            )
        name = named.setdefault(relation, relation.replace("_", " "))
        if not name.strip():
            raise InputError(f"{names}: relation {shown(relation)} has an empty name; give it one")
        if (owner := owners.setdefault(name, relation)) != relation:
            raise InputError(f"{names}: relations {owner} and {relation} have one name, {shown(name)}; rename one")
        if not by_relation[relation]:
            raise InputError(f"{sentences}: relation {shown(relation)} has no sentence; give it some or leave it out")
    if not by_relation:
        raise InputError(f"{sentences}: holds no relation; get it whole")
    schema = RelationSchema(
        tuple(Relation(relation, named[relation]) for relation in by_relation),
        descriptions={relation: table[relation][1] for relation in by_relation if relation in table},
    )
    return schema, tuple(_documents(sentences, by_relation))


def read_names(path: Path) -> dict[str, tuple[str, str]]:
    """``pid2name.json``: relation id -> name and description; InputError where it is missing or of another form."""
    return _read(path, TypeAdapter(dict[str, tuple[str, str]]))


def _documents(path: Path, by_relation: dict[str, list[_Sentence]]) -> Iterator[Document]:
    number = 0
    for row in zip_longest(*by_relation.values()):
        for relation, sentence in zip(by_relation, row, strict=True):
            if sentence is None:
                continue
            entities = tuple(_entity(path, number, sentence.tokens, fields) for fields in (sentence.h, sentence.t))
            label = Label(Triplet(0, relation, 1), evidence=(0,))
            yield Document(f"sentence {number}", (tuple(sentence.tokens),), entities, (label,))
            number += 1


def _entity(path: Path, number: int, tokens: list[str], fields: _EntityFields) -> Entity:
    """The entity, named as the sentence writes it: FewRel's own name is in lower case."""
    name, _, occurrences = fields
    mentions = []
    for place in occurrences:
        start, end = (place[0], place[-1] + 1) if place else (0, 0)
        if not 0 <= start < end <= len(tokens):
            raise InputError(f"{path}: sentence {number}: {name!r} is at tokens {place} of {len(tokens)}; correct it")
        mentions.append(Mention(Spacing.of([tokens]).join(tokens[start:end]), 0, start, end, ENTITY_TYPE))
    if not mentions:
        raise InputError(f"{path}: sentence {number}: {name!r} is at no token; give it a place or leave it out")
    return Entity(tuple(mentions))


def _read(path: Path, kind: TypeAdapter[_Content]) -> _Content:
    try:
        return kind.validate_python(whole_value(path, "the file", most=MAX_STORED_CHARACTERS))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise InputError(f"{path}: {place}: {fault['msg']}; it is not of FewRel's format") from None
