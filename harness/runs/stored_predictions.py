"""The predictions of a stored run, where ``predictions.json`` and ``documents.jsonl`` agree on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from harness.datasets.relation_table import NONE, relation_id
from harness.errors import InputError
from harness.json_files import shown
from harness.scoring.submission import read_submission
from harness.store import PREDICTIONS, RunFolder
from harness.types import Prediction, RelationSchema, Triplet


def stored_predictions(folder: RunFolder, schema: RelationSchema | None = None) -> dict[str, list[Prediction]]:
    """The predictions of ``predictions.json`` by title, read with ``schema`` as ``read_submission`` does.

    Raises InputError where one of both files is missing or damaged, or their triplets differ.
    """
    path = folder.path / PREDICTIONS
    remedy = f"`harness score {folder.run_id}` writes the file again"
    if not folder.has(PREDICTIONS):
        raise InputError(f"{path}: no such file; {remedy}")
    submitted = read_submission(path, schema)
    titles = set()
    for record in folder.documents():
        titles.add(record.title)
        if _triplets(submitted.get(record.title, ()), schema) != _triplets(record.predictions, schema):
            raise InputError(f"{path}: has other triplets of {shown(record.title)} than documents.jsonl; {remedy}")
    for title in submitted.keys() - titles:
        raise InputError(f"{path}: {shown(title)} is no document of the run; {remedy}")
    return submitted


def _triplets(predictions: Iterable[Prediction], schema: RelationSchema | None) -> Counter[Triplet]:
    """How often each stands there; relations are read as those of a submission are."""
    counted: Counter[Triplet] = Counter()
    for head, relation, tail in (one.triplet for one in predictions):
        read = relation_id(relation, schema) if schema else relation
        if (known := relation if read is None else read) != NONE:
            counted[Triplet(head, known, tail)] += 1
    return counted
