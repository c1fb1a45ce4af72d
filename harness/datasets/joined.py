"""Several corpora or files as one to train on, ``docred:train+redocred:train``: each document once.

Files that label the same texts hold the same documents (``content_hash``). Of a document that several hold, the labels
that humans wrote stand, and of these those of the file that is named last: of Re-DocRED for a document of DocRED.
Documents of one file are never one: FewRel has a sentence again with another pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from harness.datasets.content import content_hash
from harness.errors import InputError
from harness.label_source import NO_LABELS, LabelSource
from harness.types import Dataset, Document, Relation, RelationSchema

AND = "+"
"""What stands between the names."""


def joined(datasets: Sequence[Dataset]) -> Dataset:
    """The documents of all datasets in the order in which they first appear, and the relations of all.

    Two documents of one title with different texts both stay, the second with the name of its dataset in the title.
    Raises InputError where a relation has two names, or a name means two relations.
    """
    by_content: dict[bytes, tuple[str, list[Document]]] = {}
    for dataset in datasets:
        here: dict[bytes, list[Document]] = {}
        for document in dataset.documents:
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
        _schema(datasets),
        documents,
        hashlib.sha256(" ".join(dataset.sha256 for dataset in datasets).encode()).hexdigest(),
        sources,
    )


def _trust(several: Sequence[Document]) -> int:
    """Labels of humans stand before others, and any before none."""
    sources = [document.label_source for document in several]
    return min(2 if source.is_gold else int(source != NO_LABELS) for source in sources)


def _schema(datasets: Sequence[Dataset]) -> RelationSchema:
    relations: dict[str, Relation] = {}
    by_name: dict[str, str] = {}
    for dataset in datasets:
        for one in dataset.schema.relations:
            known = relations.setdefault(one.id, one)
            if known.name != one.name:
                raise InputError(
                    f"{dataset.name}: relation {one.id} is called {one.name!r}, and {known.name!r} in a corpus named "
                    "before it: give both one table of relations"
                )
            if (other := by_name.setdefault(one.name, one.id)) != one.id:
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
