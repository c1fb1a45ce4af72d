"""The triplets of a stored run as candidate pairs: another prompt, or another model, verifies or classifies them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.errors import InputError
from harness.methods.candidates import Pair
from harness.refiners.stored_scores import complete_run
from harness.store import RunFolder
from harness.types import Dataset, Document


@dataclass(frozen=True)
class StoredTriplets:
    """A ``PairSource``: the pairs that a run's triplets relate, and the relations that it predicted for them.

    ``name`` tells the run's model and prompt, ``identity`` is a digest of the triplets of the documents now asked
    about, ``folder`` is the run that they come from.
    """

    name: str
    identity: str
    folder: RunFolder
    by_title: Mapping[str, Mapping[Pair, tuple[str, ...]]]

    def pairs(self, document: Document) -> tuple[Pair, ...]:
        """The pairs by head, then by tail."""
        return tuple(self.by_title[document.title])

    def relations(self, document: Document) -> Mapping[Pair, tuple[str, ...]]:
        return self.by_title[document.title]


def open_triplets(folder: RunFolder, dataset: Dataset, documents: Iterable[Document]) -> StoredTriplets:
    """The triplets of a complete run that has no pair scores, of ``documents``.

    Raises InputError for a run that is not complete, found its entities itself, or was over other documents.
    """
    manifest = complete_run(folder, dataset)
    run_id = folder.run_id
    if manifest.question.given:
        raise InputError(f"run {run_id} found its entities itself: its triplets are not between those of the labels")
    stored = {record.title: record.predictions for record in folder.documents()}
    by_title: dict[str, dict[Pair, tuple[str, ...]]] = {}
    for document in documents:
        if document.title not in stored:
            raise InputError(f"run {run_id} has no document {document.title!r}: name a run over the same documents")
        found: dict[Pair, tuple[str, ...]] = {}
        count = len(document.entities)
        for head, relation, tail in dict.fromkeys(one.triplet for one in stored[document.title]):
            if relation in dataset.schema.by_id and head != tail and max(head, tail) < count:
                found[head, tail] = (*found.get((head, tail), ()), relation)
        by_title[document.title] = dict(sorted(found.items()))
    content = [[title, [[*pair, relations] for pair, relations in found.items()]] for title, found in by_title.items()]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    name = " ".join(filter(None, [manifest.question.model.name, manifest.label]))
    return StoredTriplets(f"({name})", f"sha256:{digest}", folder, by_title)
