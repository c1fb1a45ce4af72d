"""Recording what an encoder saw that was trained before such records were kept, or by somebody else."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.datasets.docred import sha256_of
from harness.datasets.formats import READERS, format_of
from harness.datasets.registry import CORPORA, load_dataset, sentences_in
from harness.datasets.relation_table import read_schema
from harness.datasets.splits import SPLIT_SEED, split_documents
from harness.encoders.seen import Seen, write_seen
from harness.encoders.weights import fields_of, read_record
from harness.errors import InputError
from harness.label_source import HUMAN
from harness.training.held_out import joined
from harness.types import Document, Relation, RelationSchema

_FIELDS = ("train", "train_sha256", "dev", "dev_sha256", "choose", "report", "split_seed", "sentences_sha256", "unseen")
"""What decides, in the ``data`` of a ``training.json``, what a training can have seen."""
FINDS_ENTITIES = "entities"
"""The task of a training that learns no relation."""


def record_seen(folder: Path, files: Sequence[Path]) -> Seen:
    """Write ``seen.bin`` of a trained encoder, and of the members of an ensemble; what they saw together.

    Of the files that ``training.json`` names by checksum, the documents are taken that the training, or one that it
    builds on, can have seen: of a few-shot training all that it drew from. Without ``training.json``, all documents of
    ``files`` were trained on. Raises InputError where a file is missing, or a split cannot be repeated.
    """
    return _record(folder, _Files(folder, files))


def _record(folder: Path, files: _Files) -> Seen:
    record, members = read_record(folder), fields_of(folder).get("members", ())
    if record is None:
        read = [_read(path.name, path) for path in files.paths]
        seen = functools.reduce(operator.or_, (Seen.of(documents, (), schema) for schema, documents in read), Seen())
    else:
        data = record["question"].get("data", {})
        task = str(record["question"].get("task"))
        # An ensemble itself only chooses; what its members were trained on is in their own records.
        seen = files.seen_in(data, task, only_chosen=bool(members))
        if not members:
            seen = functools.reduce(operator.or_, (files.seen_in(one, task) for one in _earlier(data)), seen)
    write_seen(folder, seen, record and record["question"])
    return functools.reduce(operator.or_, (_record(folder / str(member), files) for member in members), seen)


def _earlier(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The data of every training that this one began with, and of those that they began with."""
    for earlier in data.get("earlier", ()):
        yield earlier
        yield from _earlier(earlier)


class _Files:
    """The files that the user gives; each split of one is read and hashed once."""

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        self.paths = paths
        self._folder = folder
        self._by_checksum = {sha256_of(path): path for path in paths}
        self._seen: dict[tuple[Any, ...], Seen] = {}

    def seen_in(self, data: Mapping[str, Any], task: str, *, only_chosen: bool = False) -> Seen:
        """What one training can have seen, by its ``data``; nothing is known where that is empty."""
        key = (task == FINDS_ENTITIES, only_chosen, *(str(data.get(name)) for name in _FIELDS))
        try:
            if key not in self._seen:
                self._seen[key] = self._split(data, task, only_chosen) if data else Seen(is_whole=False)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self._folder}: its training.json does not tell which documents it saw ({error}); train it again"
            ) from error
        return self._seen[key]

    def _split(self, data: Mapping[str, Any], task: str, only_chosen: bool) -> Seen:
        schema, train = self._found(data["train"], data["train_sha256"])
        choose: Sequence[Document]
        if "dev_sha256" in data:
            others, choose = self._found(data["dev"], data["dev_sha256"])
            schema = joined(schema, others)
        elif data["split_seed"] != SPLIT_SEED:
            raise ValueError(f"it was split by the seed {data['split_seed']}, not {SPLIT_SEED}")
        else:
            split = split_documents(train, data["choose"], data["report"])
            train, choose = split.train, split.choose
        if "sentences_sha256" in data:
            others, sentences = self._found("fewrel", data["sentences_sha256"])
            schema, train = joined(schema, others), [*train, *sentences]
        schema = schema.within(schema.by_id.keys() - set(data.get("unseen", ())))
        return Seen.of(() if only_chosen else train, choose, None if task == FINDS_ENTITIES else schema)

    def _found(self, name: str, sha256: str) -> tuple[RelationSchema, Sequence[Document]]:
        path = self._by_checksum.get(sha256)
        if path is None:
            raise InputError(
                f"{self._folder}: saw {name} (SHA-256 {sha256}), which is none of the files given: add it with "
                "--documents"
            )
        return _read(name, path)


def _read(name: str, path: Path) -> tuple[RelationSchema, Sequence[Document]]:
    """Relations and documents of a file of DocRED's format, or of a corpus of another."""
    corpus = CORPORA.get(name)
    if corpus is None:
        dataset = load_dataset(str(path))
        return dataset.schema, tuple(dataset.documents)
    if sentences := sentences_in(corpus, path):
        return sentences[0], tuple(sentences[1])
    documents = tuple(READERS[format_of(path, corpus.format)](path, None, HUMAN))
    ids = dict.fromkeys(label.triplet.relation for one in documents for label in one.labels)
    table = corpus.relation_table(path.parent)
    known = read_schema(table) if table.is_file() else RelationSchema(())
    return joined(known, RelationSchema(tuple(Relation(id, id) for id in ids))), documents
