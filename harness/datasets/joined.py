"""Several corpora or files as one to train on, ``docred:train+redocred:train``: each document once.

Files that label the same texts hold the same documents (``content_hash``). Of a document that several hold, the labels
that humans wrote stand, and of these those of the file that is named last: of Re-DocRED for a document of DocRED.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from harness.datasets.content import content_hash
from harness.errors import InputError
from harness.label_source import LabelSource
from harness.types import Dataset, Document, Relation, RelationSchema

AND = "+"
"""What stands between the names."""


def joined(datasets: Sequence[Dataset]) -> Dataset:
    """The documents of all datasets in the order in which they first appear, and the relations of all.

    Two documents of one title with different texts both stay, the second with the name of its dataset in the title.
    Raises InputError where a relation has two names, or a name means two relations.
    """
    by_content: dict[bytes, Document] = {}
    names: dict[bytes, str] = {}
    for dataset in datasets:
        for document in dataset.documents:
            content = content_hash(document)
            known = by_content.get(content)
            if known is None or document.label_source.is_gold or not known.label_source.is_gold:
                by_content[content], names[content] = document, dataset.name
    titles: set[str] = set()
    documents = []
    sources: dict[LabelSource, str] = {}
    for content, document in by_content.items():
        title = document.title if document.title not in titles else f"{document.title} ({names[content]})"
        if title in titles:
            raise InputError(
                f"{names[content]}: two others have the title {document.title!r}, too; rename this document"
            )
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
