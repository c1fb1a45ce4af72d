"""The documents of a training: those to train on, those held out, and what is recorded of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from harness.datasets.content import content_hash
from harness.datasets.gold import label_source_of, with_gold
from harness.datasets.joined import AND, annotated_by_itself
from harness.datasets.registry import load_split
from harness.datasets.splits import SPLIT_SEED, Split, few_shot, split_documents
from harness.errors import InputError
from harness.label_source import LabelSource
from harness.types import Dataset, Document, RelationSchema


class DataJob(Protocol):
    """What a job says of its documents.

    ``train``, ``dev`` and ``test`` are names of corpora, ``NAME:SPLIT``, files, or several with ``+`` between;
    ``data_dir`` holds the files of such corpora. Without ``dev``, ``choose`` documents of ``train`` are held out by the
    fixed split, and without ``dev`` and ``test``, ``report``. ``few_shot`` trains on that many of the documents, drawn
    by ``seed``.
    """

    @property
    def train(self) -> str: ...
    @property
    def dev(self) -> str | None: ...
    @property
    def test(self) -> str | None: ...
    @property
    def data_dir(self) -> Path | None: ...
    @property
    def choose(self) -> int: ...
    @property
    def report(self) -> int: ...
    @property
    def few_shot(self) -> int | None: ...
    @property
    def seed(self) -> int: ...


def split_to_train_on(job: DataJob, *, needs_labels: bool = True) -> tuple[Dataset, Split, dict[str, Any]]:
    """The dataset, its documents by use, and where they come from; InputError where a file has no gold labels.

    Where the training does not need labels, the documents to train on may have none.
    """
    dataset = load_split(job.train, job.data_dir)
    held_out = job.report if job.test is None else 0
    if needs_labels or (job.dev is None and job.choose + held_out > 0):
        dataset = with_gold(dataset, "training")
    documents = list(dataset.documents)
    if not documents:
        raise InputError(f"--train {job.train}: there is no document in it")
    origin: dict[str, Any] = {"train": dataset.name, "train_sha256": dataset.sha256}
    if dataset.annotated:
        origin |= {"annotated": {name: len(relations) for name, relations in dataset.annotated.items()}}
    judged_by = dataset if job.dev is None else with_gold(load_split(job.dev, job.data_dir), "--dev")
    if silver := label_source_of(judged_by).silver:
        origin |= {"silver": silver}
    if job.dev is None:
        split = split_documents(documents, job.choose, held_out)
        origin |= {"choose": job.choose, "report": held_out, "split_seed": SPLIT_SEED}
    else:
        split = Split(documents, _judging(judged_by, dataset), ())
        if AND in job.train:
            _refuse_shared(f"--dev {job.dev}", split.choose, split.train)
        if not split.choose:
            raise InputError(f"--dev {job.dev}: there is no document in it; leave it out to hold some of --train out")
        origin |= {"dev": judged_by.name, "dev_sha256": judged_by.sha256}
    if job.few_shot is not None:
        split = Split(few_shot(split.train, job.few_shot, job.seed), split.choose, split.report)
    if job.test is not None:
        test = with_gold(load_split(job.test, job.data_dir), "--test")
        origin |= {"test": test.name, "test_sha256": test.sha256}
        split = Split(split.train, split.choose, _judging(test, dataset))
        _refuse_shared(f"--test {job.test}", split.report, (*split.train, *split.choose))
    return dataset, split, origin


def _judging(dataset: Dataset, trained: Dataset) -> Sequence[Document]:
    """The documents of ``--dev`` or ``--test``; beside joined corpora, each judges relations of its own corpus only."""
    return annotated_by_itself(dataset) if trained.annotated else list(dataset.documents)


def _refuse_shared(given: str, judged: Sequence[Document], used: Sequence[Document]) -> None:
    """Raise InputError where documents of the option ``given`` are trained on, or choose the epoch."""
    contents = set(map(content_hash, used))
    shared = [one.title for one in judged if content_hash(one) in contents]
    if shared:
        raise InputError(
            f"{given}: {len(shared)} of its documents, such as {shared[0]!r}, are among those to train on or "
            "to choose by; give other ones"
        )


def check_relations(job: DataJob, split: Split, schema: RelationSchema) -> None:
    """Raise InputError where the documents of ``--dev`` have labels of relations that those of ``--train`` lack."""
    if job.dev is None:
        return
    titles: dict[str, str] = {}
    for document in split.choose:
        for label in document.labels:
            if label.triplet.relation not in schema.by_id:
                titles.setdefault(label.triplet.relation, document.title)
    if not titles:
        return
    relation, title = next(iter(titles.items()))
    others = f" and {len(titles) - 1} more" if len(titles) > 1 else ""
    remedy = (
        f"put a rel_info.json with the relations of both files beside {job.train}"
        if Path(job.train).is_file()
        else "leave its labels out"
    )
    raise InputError(
        f"--dev {job.dev}: document {title!r} has a label of relation {relation!r}{others}, which --train {job.train} "
        f"does not have: {remedy}"
    )


def labels_record(documents: Sequence[Document]) -> dict[str, Any]:
    """What ``training.json`` says of the labels that are learned: who wrote them, how many, and with evidence."""
    labels = [label for document in documents for label in document.labels]
    return {
        "labels": len(labels),
        "with_evidence": sum(bool(label.evidence) for label in labels),
        "label_source": asdict(LabelSource.merged(document.label_source for document in documents)),
    }


def data_record(job: DataJob, split: Split, origin: Mapping[str, Any]) -> dict[str, Any]:
    """What ``training.json`` says of the documents."""
    titles = "\n".join(document.title for document in split.train)
    return {
        **origin,
        "few_shot": job.few_shot,
        "train_documents": len(split.train),
        "train_titles_sha256": hashlib.sha256(titles.encode()).hexdigest(),
    }
