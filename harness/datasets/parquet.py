"""Parquet: a document a row, in columns named as the keys of DocRED's format, as data sets of the hub are stored.

There, ``labels`` may be one object of lists, ``{head, tail, relation_id, relation_text, evidence}``, instead of a list
of objects; ``relation_text`` then names the relations.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from harness.datasets.docred import CANDIDATES, UNSEEN, checked_documents
from harness.datasets.fields import Fault, refusal
from harness.datasets.relation_table import means_none
from harness.errors import InputError, ModelUnavailable
from harness.label_source import LabelSource
from harness.types import Document, Relation, RelationSchema

TEXT_COLUMNS = ("title", "sents", "vertexSet")
LABELS, EVIDENCE, RELATION_TEXT = "labels", "evidence", "relation_text"
_COLUMNS = (*TEXT_COLUMNS, LABELS, "label_source", CANDIDATES, UNSEEN)
_OF_LABELS = {"h": ("h", "head"), "t": ("t", "tail"), "r": ("r", "relation_id"), EVIDENCE: (EVIDENCE,)}
"""The keys of a label -> the names that their lists may have."""


def read_parquet(path: Path, schema: RelationSchema | None, labelled_by: LabelSource) -> Iterator[Document]:
    """The documents of a file, each checked before it is yielded.

    Raises InputError at the first fault: file, row, field and remedy; and for a file that is no sound Parquet file or
    has none of the columns.
    """
    return checked_documents(_rows(path), path, "row", schema, labelled_by)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows with their columns as objects in DocRED's format have them: ``document_output`` writes maps as pairs."""
    for number, row in enumerate(parquet_rows(path, _COLUMNS)):
        if LABELS in row:
            try:
                row[LABELS] = _by_label(row[LABELS])
            except Fault as fault:
                raise refusal(path, f"row {number}", row, fault) from None
        unseen = row.get(UNSEEN)
        if isinstance(unseen, list) and all(isinstance(one, tuple) for one in unseen):
            row[UNSEEN] = dict(unseen)
        yield row


def schema_in(path: Path) -> RelationSchema | None:
    """The relations that the labels of a file name, in the order of their ids; None where they name none.

    A relation without a text has its id for a name. One that stands for none is told by either.
    """
    names: dict[str, str] = {}
    for number, row in enumerate(parquet_rows(path, ("title", LABELS))):
        labels = row.get(LABELS)
        if labels is None or (isinstance(labels, dict) and not _held(labels)):
            continue  # A document without gold labels.
        if not isinstance(labels, dict) or not isinstance(labels.get(RELATION_TEXT), list):
            return None
        try:
            named = _of_one_length({"relation_id": labels.get("relation_id") or [], **_texts_in(labels)})
        except Fault as fault:
            raise refusal(path, f"row {number}", row, fault) from None
        for id, name in zip(named["relation_id"], named[RELATION_TEXT], strict=True):
            if isinstance(id, str) and id:  # The reader of the labels refuses any other.
                names.setdefault(id, name if isinstance(name, str) and name.strip() else id)
    none = tuple(id for id in sorted(names) if means_none(names[id]) or means_none(id))
    stated = [id for id in sorted(names) if id not in none]
    if not stated or len({names[id] for id in stated}) < len(stated):
        return None
    return RelationSchema(tuple(Relation(id, names[id]) for id in stated), none)


def rows_of(file: IO[bytes], columns: Sequence[str], first: int = 0) -> Iterator[dict[str, Any]]:
    """The rows of an open Parquet file from ``first`` on, in those of the columns that it has."""
    import pyarrow.parquet as parquet

    content = parquet.ParquetFile(file)
    passed = 0
    groups: list[int] = []
    for group in range(content.metadata.num_row_groups):
        rows = content.metadata.row_group(group).num_rows
        if groups or passed + rows > first:
            groups.append(group)
        else:
            passed += rows
    held = [name for name in columns if name in content.schema_arrow.names]
    batches = content.iter_batches(batch_size=256, row_groups=groups, columns=held) if groups else iter(())
    yield from itertools.islice((row for batch in batches for row in batch.to_pylist()), first - passed, None)


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a file in those of the columns that it has; InputError where it is not sound."""
    try:
        import pyarrow
    except ImportError as error:
        raise ModelUnavailable(f"{path}: reading Parquet needs pip install 'docre-harness[parquet]'") from error
    try:
        with path.open("rb") as file:
            yield from rows_of(file, columns)
    except (pyarrow.ArrowException, OSError) as error:
        told = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as Parquet ({told}); get it whole") from error


def _by_label(labels: object) -> object:
    """A list of labels, where they are an object of lists; None where all of these are null.

    Fault where they differ in length, or one of head, tail and relation is missing.
    """
    if not isinstance(labels, dict):
        return labels
    held = _held(labels)
    if not held:
        return None
    keys = {name: key for key, names in _OF_LABELS.items() for name in names if isinstance(held.get(name), list)}
    for key, (*_, name) in _OF_LABELS.items():
        if key != EVIDENCE and key not in keys.values():
            raise Fault("is missing; write a list with an entry a label", LABELS, name)
    columns = _of_one_length({name: held[name] for name in (*keys, *_texts_in(held))})
    return [
        dict(zip(keys.values(), values, strict=True)) for values in zip(*(columns[name] for name in keys), strict=True)
    ]


def _held(labels: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values for name, values in labels.items() if values is not None}


def _texts_in(labels: Mapping[str, Any]) -> dict[str, list[Any]]:
    texts = labels.get(RELATION_TEXT)
    return {RELATION_TEXT: texts} if isinstance(texts, list) else {}


def _of_one_length(lists: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The lists as they are; Fault where one has more or fewer entries than the first: none says whose they are."""
    first, *others = lists
    for name in others:
        if (here := len(lists[name])) != (there := len(lists[first])):
            problem = f"has {here:,} entries, and {first} has {there:,}; give each label one in every list"
            raise Fault(problem, LABELS, name)
    return lists
