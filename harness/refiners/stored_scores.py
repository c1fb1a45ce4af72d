"""The pair scores of a stored run, checked against the documents that they are to be used for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.encoders.scores import PAIR_SCORES, ScoreFile
from harness.encoders.seen import Role, Seen, seen_of
from harness.errors import InputError
from harness.records.manifest import COMPLETE, Manifest
from harness.records.question import DatasetIdentity
from harness.store import RunFolder
from harness.types import RELATED, Dataset, Document, PairScores

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class StoredScores:
    """The scores that a run of an encoder left, or that were imported, for the documents now asked about.

    ``name`` is that of the encoder, ``identity`` a digest of the scores of these documents. ``run_id`` is the run
    that they come from; ``encoder`` tells its threshold, where that was chosen, and how many of these documents it
    saw in training (empty for imported scores that do not tell).
    """

    name: str
    identity: str
    run_id: str
    encoder: Mapping[str, Any]
    file: ScoreFile

    def of(self, document: Document) -> PairScores:
        """The scores of one of the documents."""
        return self.file[document.title]


def open_scores(
    folder: RunFolder, dataset: Dataset, documents: Iterable[Document], seen: Seen | None = None
) -> StoredScores:
    """The scores of a complete run over ``documents``, the first of ``dataset``, in their order.

    ``seen`` is what the encoder saw in training; without it, the stored scores tell, or else the run's manifest.

    Raises InputError for a run without scores, one that is not complete, and scores of another dataset, split,
    file, schema or order of documents, or with pairs that a document does not have.
    """
    manifest = complete_run(folder, dataset)
    run_id = folder.run_id
    if not folder.has(PAIR_SCORES):
        raise InputError(
            f"run {run_id} holds no pair scores: name a run of an encoder or of the prompt hrt or related, or an "
            "imported one"
        )
    file = ScoreFile(folder.path / PAIR_SCORES)
    check_relations(f"run {run_id}", file.relations, dataset)
    digest = hashlib.sha256("\n".join(file.relations).encode())
    titles = iter(file)
    roles: list[Role | None] = []
    for document in documents:
        title = next(titles, None)
        if title != document.title:
            found = "ends" if title is None else f"has {title!r}"
            raise InputError(
                f"run {run_id} {found} where the documents asked about have {document.title!r}: score these documents, "
                "in their order"
            )
        scores = file[document.title]
        check_scores(f"run {run_id}", document, scores)
        digest.update(scores.pairs.tobytes())
        digest.update(scores.scores.tobytes())
        roles.append(seen.role(document) if seen else file.role(document))
    encoder = manifest.encoder.as_json() if manifest.encoder else {}
    if None not in roles:
        encoder |= seen_of(role for role in roles if role is not None)
    name = manifest.question.model.name
    return StoredScores(name, f"sha256:{digest.hexdigest()}", run_id, encoder, file)


def complete_run(folder: RunFolder, dataset: Dataset) -> Manifest:
    """The manifest of a complete run over ``dataset``; InputError for any other."""
    manifest = folder.read_manifest()
    if manifest.status != COMPLETE:
        raise InputError(f"run {folder.run_id} is not complete ({manifest.status}): type its command again first")
    _check_dataset(folder.run_id, manifest.question.dataset, dataset)
    return manifest


def proposes_only(relations: Iterable[str]) -> bool:
    """Whether the scores tell related pairs from others, and name no relation."""
    return tuple(relations) == (RELATED,)


def without_nan(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Scores in which one that is not a number is lower than any other."""
    import numpy as np

    finite: np.ndarray[Any, Any] = np.nan_to_num(scores, nan=-np.inf, posinf=np.finfo(scores.dtype).max, neginf=-np.inf)
    return finite


def _check_dataset(run_id: str, stored: DatasetIdentity, dataset: Dataset) -> None:
    wanted = {"name": dataset.name, "split": dataset.split, "sha256": dataset.sha256}
    for field, value in wanted.items():
        if (found := getattr(stored, field)) != value:
            what = "file (checksum)" if field == "sha256" else f"{field} {found!r}"
            raise InputError(
                f"run {run_id} scored another {what} than {dataset.name} {dataset.split}, which is asked about: "
                "run the encoder on it"
            )


def check_relations(source: str, relations: tuple[str, ...], dataset: Dataset) -> None:
    """Raise InputError unless the scores are those of relations of the dataset, or of pairs alone."""
    unknown = set(relations) - set(dataset.schema.by_id)
    if none := sorted(unknown & set(dataset.schema.none)):
        raise InputError(
            f"{source} scores {none[0]!r}, which stands for no relation in {dataset.name}: leave its column out"
        )
    if not proposes_only(relations) and unknown:
        raise InputError(
            f"{source} scores another schema: {dataset.name} has no relation {min(unknown)!r}; run an encoder of its "
            "relations"
        )


def check_scores(source: str, document: Document, scores: PairScores) -> None:
    """Raise InputError unless the arrays fit each other and the document."""
    n = len(document.entities)
    pairs = {(int(head), int(tail)) for head, tail in scores.pairs}
    shape = (len(scores.pairs), len(scores.relations) + 1)
    if scores.scores.shape != shape or len(pairs) != len(scores.pairs):
        raise InputError(
            f"{source}: the scores of {document.title!r} do not fit its pairs: scores [pairs, relations + 1], NA last, "
            "each pair once"
        )
    if scores.sentences is not None and scores.sentences.shape[1] > len(document.sentences):
        raise InputError(f"{source}: {document.title!r} has only {len(document.sentences)} sentences for evidence")
    for head, tail in pairs:
        if not (0 <= head < n and 0 <= tail < n) or head == tail:
            raise InputError(f"{source}: {document.title!r} with {n} entities has no pair [{head}, {tail}]")
