"""The documents of a corpus that state some of its relations, as the zero-shot protocols on unseen relations test them.

Chen and Li (2021), "ZS-BERT", NAACL, test on m relations of FewRel or Wiki-ZSL that training has not seen: the pair of
a sentence is given, and one of the m is the answer. Documents with other pairs keep them all. Sun et al. (2024),
"GenRDK", divide DocRED and Re-DocRED so: documents that state an unseen relation are tested on, the others are seen.
Their published files divide the documents of all splits together.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from harness.datasets.content import relation_keys
from harness.errors import InputError
from harness.json_files import shown, text_value
from harness.opening import open_text
from harness.types import Dataset, Document, Relation, RelationSchema


def drawn_relations(candidates: Iterable[str], count: int, seed: int, of: str) -> frozenset[str]:
    """``count`` of the relations, another draw for each seed; InputError where there are too few."""
    ids = sorted(candidates)
    if not 1 <= count <= len(ids):
        there = f"choose from 1 to {len(ids)}" if ids else "it has none"
        raise InputError(f"{count} unseen relations of {of}: {there}")
    return frozenset(random.Random(f"unseen {seed}").sample(ids, count))


def listed_relations(path: Path, schema: RelationSchema) -> frozenset[str]:
    """The relations that a file lists by id or name, see ``named_in``; InputError for one that is unknown."""
    names = [one.id for one in named_in(path)]
    by_name = {**schema.by_name, **schema.by_id}
    if unknown := [one for one in names if one not in by_name]:
        raise InputError(f"{path}: {shown(unknown[0])} is no relation of the corpus; give ids or names")
    return frozenset(by_name[one].id for one in names)


def named_in(path: Path) -> list[Relation]:
    """What a file lists: an id or name a line, a JSON list of them, or a JSON object of ids with names or numbers.

    A relation without a name has its id for one. Raises InputError where there is none.
    """
    with open_text(path) as file:
        text = file.read()
    is_json = text.lstrip().startswith(("[", "{"))
    values = text_value(text, str(path), "write a list of ids") if is_json else text.splitlines()
    if isinstance(values, list):
        if wrong := [one for one in values if not isinstance(one, str)]:
            raise InputError(f"{path}: lists {shown(str(wrong[0]))} as a relation; write each id or name as a text")
        values = dict.fromkeys(values, None)
    listed = []
    for id, value in values.items() if isinstance(values, dict) else ():
        # FewRel's tables have a name and a description for each id; GenRDK's have numbers.
        name = value[0] if isinstance(value, list) and value else value
        if id.strip():
            listed.append(Relation(id.strip(), name.strip() if isinstance(name, str) else id.strip()))
    if not listed:
        raise InputError(f"{path}: lists no relation; write one id or name a line, or a JSON list of them")
    return listed


def with_listed_names(schema: RelationSchema, path: Path) -> RelationSchema:
    """The schema with the names of the file for relations whose ids are their names, as where no table is at hand.

    Raises InputError where a name is that of another relation.
    """
    names = {one.id: one.name for one in named_in(path)}
    relations = tuple(
        replace(one, name=names.get(one.id, one.name)) if one.name == one.id else one for one in schema.relations
    )
    owners: dict[str, str] = {}
    for one in relations:
        if (owner := owners.setdefault(one.name, one.id)) != one.id:
            raise InputError(f"{path}: {owner} and {one.id} have one name, {shown(one.name)}; rename one")
    return replace(schema, relations=relations)


def same_relations(schema: RelationSchema, listed: Iterable[Relation]) -> tuple[str, ...]:
    """The ids of the schema's relations that are among the listed ones, by name or Wikidata property, in any corpus."""
    keys = {key for one in listed for key in relation_keys(one)}
    return tuple(one.id for one in schema.relations if relation_keys(one) & keys)


def with_relations(dataset: Dataset, relations: frozenset[str], *, pairs_given: bool) -> Dataset:
    """The documents with labels of these relations, and with these only, as a test of unseen ones; the schema likewise.

    With ``pairs_given``, the candidate pairs of a document are those that its labels name.
    """
    schema = dataset.schema.within(relations)
    documents = _restricted(dataset.documents, relations, pairs_given)
    return replace(dataset, schema=schema, documents=testing(documents, schema))


def testing(documents: Iterable[Document], schema: RelationSchema) -> tuple[Document, ...]:
    """The documents as a test of relations that training does not have: those of their episode, or of the schema."""
    return tuple(
        replace(one, unseen=schema.within(one.episode.relations).relations if one.episode else schema.relations)
        for one in documents
    )


def without_relations(dataset: Dataset, relations: frozenset[str]) -> Dataset:
    """The documents that state none of the relations, and the schema without them."""
    schema = dataset.schema.within(dataset.schema.by_id.keys() - relations)
    documents = tuple(
        document
        for document in dataset.documents
        if not any(label.triplet.relation in relations for label in document.labels)
    )
    return replace(dataset, schema=schema, documents=documents)


def _restricted(documents: Iterable[Document], relations: frozenset[str], pairs_given: bool) -> Iterator[Document]:
    for document in documents:
        labels = tuple(label for label in document.labels if label.triplet.relation in relations)
        if labels:
            pairs = {(label.triplet.head, label.triplet.tail) for label in labels}
            candidates = tuple(sorted(pairs)) if pairs_given else document.candidates
            yield replace(document, labels=labels, candidates=candidates)
