"""Several corpora or files as one to train on, ``docred:train+redocred:train``: each document once.

Files that label the same texts hold the same documents (``content_hash``). Of a document that several hold, the labels
that humans wrote stand, and of these those of the file that is named last: of Re-DocRED for a document of DocRED.
Documents of one file are never one: FewRel has a sentence again with another pair.

Corpora that annotate other relations are joined, too: each document then says which relations its labels tell of
(``Document.annotated``), and of the others it teaches nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from harness.datasets.content import content_hash
from harness.datasets.corpora import CORPORA
from harness.errors import InputError
from harness.label_source import NO_LABELS, LabelSource
from harness.types import Dataset, Document, Relation, RelationSchema

AND = "+"
"""What stands between the names."""


def joined(datasets: Sequence[Dataset], given: Sequence[str] = ()) -> Dataset:
    """The documents of all datasets in the order in which they first appear, and the relations of all.

    ``given`` are the names or paths that the user wrote, by which files of one name are told apart. Two documents of
    one title with different texts both stay, the second with the name of its dataset in the title.
    Raises InputError where a relation has two names, or where a name means two relations of files.
    """
    datasets = _told_apart(datasets, given)
    schema = _schema(datasets)
    annotated = _annotated(datasets, schema)
    by_content: dict[bytes, tuple[str, list[Document]]] = {}
    for dataset, key in zip(datasets, _keys(datasets), strict=True):
        here: dict[bytes, list[Document]] = {}
        for document in dataset.documents:
            if annotated and document.annotated is None:
                document = replace(document, annotated=annotated[key])
            here.setdefault(content_hash(document), []).append(document)
        for content, several in here.items():
            known = by_content.get(content)
            if known is None or _trust(several) >= _trust(known[1]):
                by_content[content] = dataset.name, several
    titles: set[str] = set()
    documents = []
    sources: dict[LabelSource, str] = {}
    for name, document in ((name, one) for name, several in by_content.values() for one in several):
        title = document.title if document.title not in titles else f"{document.title} ({name})"
        if title in titles:
            raise InputError(f"{name}: two others have the title {document.title!r}, too; rename this document")
        titles.add(title)
        documents.append(document if title == document.title else replace(document, title=title))
        sources.setdefault(document.label_source, title)
    return Dataset(
        AND.join(dataset.name for dataset in datasets),
        AND.join(dataset.split for dataset in datasets),
        schema,
        documents,
        hashlib.sha256(" ".join(dataset.sha256 for dataset in datasets).encode()).hexdigest(),
        sources,
        annotated,
    )


def annotated_by_itself(dataset: Dataset) -> Sequence[Document]:
    """The documents of a dataset that is used beside joined ones, each with the relations that its labels tell of."""
    relations = tuple(dataset.schema.by_id)
    return [one if one.annotated is not None else replace(one, annotated=relations) for one in dataset.documents]


def _told_apart(datasets: Sequence[Dataset], given: Sequence[str]) -> list[Dataset]:
    """The datasets; files of one name are named with as many of their folders as tell them apart."""
    paths = {place: Path(one).absolute() for place, one in enumerate(given) if one.partition(":")[0] not in CORPORA}
    named = list(datasets)
    for place, path in paths.items():
        name = datasets[place].name
        others = [one for other, one in paths.items() if one != path and datasets[other].name == name]
        if any(one.parent == path.parent for one in others):
            name = path.name
        if apart := [one for one in others if one.parent != path.parent]:
            depth = next(n for n in count(2) if all(one.parts[-n:-1] != path.parts[-n:-1] for one in apart))
            name = "/".join((*path.parts[-depth:-1], name))
        named[place] = replace(datasets[place], name=name)
    return named


def _keys(datasets: Sequence[Dataset]) -> list[str]:
    """A name for each dataset; splits of one corpus are told by it and the split."""
    often = Counter(dataset.name for dataset in datasets)
    return [one.name if often[one.name] == 1 else f"{one.name}:{one.split}" for one in datasets]


def _annotated(datasets: Sequence[Dataset], schema: RelationSchema) -> Mapping[str, tuple[str, ...]]:
    """The relations of each dataset; empty where all have the same."""
    every = schema.by_id.keys()
    if all(dataset.schema.by_id.keys() == every for dataset in datasets):
        return {}
    return {key: tuple(one.schema.by_id) for key, one in zip(_keys(datasets), datasets, strict=True)}


def _trust(several: Sequence[Document]) -> int:
    """Labels of humans stand before others, and any before none."""
    sources = [document.label_source for document in several]
    return min(2 if source.is_gold else int(source != NO_LABELS) for source in sources)


def _schema(datasets: Sequence[Dataset]) -> RelationSchema:
    relations: dict[str, Relation] = {}
    by_name: dict[str, tuple[str, str]] = {}
    for dataset in datasets:
        for one in dataset.schema.relations:
            known = relations.setdefault(one.id, one)
            if known.name != one.name:
                raise InputError(
                    f"{dataset.name}: relation {one.id} is called {one.name!r}, and {known.name!r} in a corpus named "
                    "before it: give both one table of relations"
                )
            other, owner = by_name.setdefault(one.name, (one.id, dataset.name))
            # The ids of published corpora are theirs: "part of" is P361 in Re-DocRED and part_of in DWIE.
            if other != one.id and not {dataset.name, owner} <= CORPORA.keys():
                raise InputError(
                    f"{dataset.name}: relation {one.id} is called {one.name!r}, as {other} is in a corpus named before "
                    "it: give both one table of relations"
                )
    none = tuple(dict.fromkeys(id for dataset in datasets for id in dataset.schema.none))
    if both := [id for id in none if id in relations]:
        raise InputError(f"{both[0]} is a relation of one corpus and means none in another: give both one table")
    descriptions = {id: text for dataset in datasets for id, text in dataset.schema.descriptions.items()}
    first = datasets[0].schema
    texts = first.texts if {dataset.schema.texts for dataset in datasets} == {first.texts} else ""
    return RelationSchema(tuple(relations.values()), none, texts, descriptions)
