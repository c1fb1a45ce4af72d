"""Which relations a training sees: some held out of its documents, others added with FewRel's sentences."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from harness.datasets.registry import load_dataset, load_split
from harness.datasets.splits import Split
from harness.errors import InputError
from harness.training.data import DataJob
from harness.types import Dataset, Document, Relation, RelationSchema


def without_relations(schema: RelationSchema, split: Split, unseen: Collection[str]) -> tuple[RelationSchema, Split]:
    """The schema and the documents of a split as if some relations did not exist.

    A document that is labelled with nothing else, as a sentence of FewRel is, does not train: it would teach that
    its pair is unrelated. Nor does one whose corpus annotates nothing else. Raises InputError if no relation is left.
    """
    seen = tuple(relation for relation in schema.relations if relation.id not in unseen)
    if not seen:
        raise InputError(f"all {len(schema.relations)} relations are held out: leave one to train on")
    train = [
        document
        for document, before in zip(labelled(split.train, unseen, kept=False), split.train, strict=True)
        if (document.labels or not before.labels) and _teaches(document, {one.id for one in seen})
    ]
    choose, report = (labelled(part, unseen, kept=False) for part in (split.choose, split.report))
    return RelationSchema(seen), Split(train, choose, report)


def _teaches(document: Document, relations: Collection[str]) -> bool:
    return document.annotated is None or any(one in relations for one in document.annotated)


def left_by(schema: RelationSchema, unseen: Collection[str]) -> RelationSchema:
    """The schema without the relations that are unseen; InputError if none is left."""
    left = schema.within(schema.by_id.keys() - unseen)
    if not left.relations:
        raise InputError(f"all {len(schema.relations)} relations are held out: leave one to choose by and report on")
    return left


def labelled(documents: Sequence[Document], relations: Collection[str], *, kept: bool = True) -> list[Document]:
    """The documents with the labels of some relations only (or, not ``kept``, of the others)."""
    return [
        replace(
            document,
            labels=tuple(label for label in document.labels if (label.triplet.relation in relations) == kept),
        )
        for document in documents
    ]


def with_relations_to_choose_by(
    job: DataJob,
    split: Split,
    schema: RelationSchema,
    chosen_by: tuple[Relation, ...] = (),
    unseen: Collection[str] = (),
) -> tuple[RelationSchema, tuple[int, ...] | None]:
    """The relations of a training that is chosen by documents with other ones, and the places of these.

    The others are those that it is ``chosen_by``, or all of ``--dev`` where that has a label of a relation that
    ``--train`` lacks, but for those that are ``unseen``. They follow those of the training, and epoch and threshold are
    chosen over them alone. None: over the relations of the training.
    """
    if chosen_by:
        others = RelationSchema(chosen_by)
    elif job.dev is None or all(one.triplet.relation in schema.by_id for doc in split.choose for one in doc.labels):
        return schema, None
    else:
        others = left_by(load_split(job.dev, job.data_dir).schema, unseen)
    both = joined(schema, others)
    places = {relation.id: place for place, relation in enumerate(both.relations)}
    return both, tuple(places[relation.id] for relation in others.relations)


def joined(first: RelationSchema, second: RelationSchema) -> RelationSchema:
    """The relations of both; an id that both have keeps its first name."""
    return RelationSchema((*first.relations, *(one for one in second.relations if one.id not in first.by_id)))


def fewrel_in(folder: Path | None) -> Dataset:
    """FewRel's dev split, from its folder or where it was fetched to; errors name the option ``--fewrel``."""
    try:
        return load_dataset("fewrel", None, folder)
    except InputError as error:
        raise InputError(str(error).replace("--data-dir", "--fewrel")) from error


def some_of_each(dataset: Dataset, count: int, seed: int) -> list[Document]:
    """``count`` sentences of every relation, or all where there are fewer: another draw for each seed."""
    by_relation: dict[str, list[Document]] = {}
    for document in dataset.documents:
        by_relation.setdefault(document.labels[0].triplet.relation, []).append(document)
    rng = random.Random(f"sentences {seed}")
    return [one for several in by_relation.values() for one in rng.sample(several, min(count, len(several)))]
