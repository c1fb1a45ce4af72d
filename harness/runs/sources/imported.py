"""Another system's predictions or scores as a stored run: scored, ranked and usable like the harness's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.datasets.docred import sha256_of
from harness.encoders.scores import PAIR_SCORES, ScoreFile, score_writer
from harness.encoders.seen import Role, Seen, seen_by, seen_of
from harness.encoders.weights import folder_named
from harness.errors import InputError
from harness.refiners.stored_scores import check_relations, check_scores
from harness.runs.config import RunConfig
from harness.runs.manifest import RunManifest
from harness.runs.planned_run import PlannedRun, dataset_of
from harness.runs.results import RunResult, store_scored
from harness.runs.totals import RunTotals
from harness.scoring.official import Scorer
from harness.scoring.submission import read_submission
from harness.store import DocumentRecord, RunFolder
from harness.types import Document, Extraction, ModelSpec, PairScores, Prediction, PredictionSource, RelationSchema


@dataclass(frozen=True)
class ImportedRun(PlannedRun):
    """A file of predictions or of pair scores over a whole split, and the checksum of its content."""

    file_sha256: str
    seen: Seen | None
    """What the encoder saw in training whose name the system has; None for any other system."""

    def resolved(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset_identity(),
            "model": {"name": self.spec.name, "identity": {"file": self.file_sha256}},
        }

    @property
    def id_parts(self) -> tuple[str, ...]:
        return (self.spec.runner,)

    def encoder(self) -> Mapping[str, Any]:
        return seen_of(map(self.seen.role, self.documents)) if self.seen else {}


def imported_scope(config: RunConfig, file_sha256: str) -> ImportedRun:
    """The documents that a system named ``config.model`` was run on."""
    spec = ModelSpec(name=config.model, runner=PredictionSource.IMPORTED.value, model_id=config.model)
    folder = folder_named(config.model)
    return ImportedRun(config, spec, dataset_of(config), file_sha256, seen_by(folder) if folder else None)


def import_run(path: Path, config: RunConfig) -> RunResult:
    """Store, under the name ``config.model``, predictions in the submission format, or pair scores (``.npz``).

    A document without predictions has none. Raises InputError for a file that is neither, and for titles,
    entity indices, relations or pairs that the documents do not have.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give predictions (.json, .jsonl, .gz, .zip) or pair scores (.npz)")
    imported = imported_scope(config, sha256_of(path))
    folder = RunFolder(config.results / "runs" / imported.run_id)
    totals = RunTotals(scorer=Scorer())
    with folder.locked():
        asked = imported.asked()
        if path.suffix == ".npz":
            roles = _store_scores(path, imported, folder, totals)
            asked = asked.changed(encoder=seen_of(roles)) if roles else asked
        else:
            _store_predictions(path, imported, folder, totals)
        return store_scored(folder, RunManifest(folder, asked), totals, imported, {})


def _store_predictions(path: Path, imported: ImportedRun, folder: RunFolder, totals: RunTotals) -> None:
    schema = imported.dataset.schema
    claimed = read_submission(path, schema)
    documents = list(imported.documents)
    if unknown := claimed.keys() - {document.title for document in documents}:
        raise InputError(
            f"{path}: {min(unknown)!r} is no document of {imported.dataset.name} {imported.dataset.split}: name the "
            "dataset and split that the predictions are for"
        )
    with folder.document_writer() as writer:
        for document in documents:
            predictions = tuple(claimed.get(document.title, ()))
            for prediction in predictions:
                _check_prediction(path, document, prediction, schema)
            record = DocumentRecord.of(document.title, Extraction(predictions), 0, 0.0)
            writer.write(record)
            totals.add(record, document)


def _store_scores(path: Path, imported: ImportedRun, folder: RunFolder, totals: RunTotals) -> list[Role]:
    """What each document was to the training that made the scores; nothing where the file does not tell."""
    file = ScoreFile(path)
    roles: list[Role] = []
    check_relations(str(path), file.relations, imported.dataset)
    with folder.document_writer() as writer, score_writer(folder.path / PAIR_SCORES, file.relations) as pairs:
        for document, scores in _aligned(path, file, imported):
            extraction = Extraction(scores.predictions(), details={"pairs": len(scores.pairs)})
            record = DocumentRecord.of(document.title, extraction, 0, 0.0)
            role = imported.seen.role(document) if imported.seen else file.role(document)
            roles += [] if role is None else [role]
            pairs.write(scores, None if role is None else (document, role))
            writer.write(record)
            totals.add(record, document)
    return roles


def _aligned(path: Path, file: ScoreFile, imported: ImportedRun) -> Iterator[tuple[Document, PairScores]]:
    """Every document with its scores, whatever their order in the file."""
    if unknown := set(file) - {document.title for document in imported.documents}:
        raise InputError(f"{path}: {min(unknown)!r} is no document of {imported.dataset.name} {imported.dataset.split}")
    for document in imported.documents:
        if document.title not in file:
            raise InputError(
                f"{path}: has no scores of {document.title!r}: every document needs some, or an empty array"
            )
        scores = file[document.title]
        check_scores(str(path), document, scores)
        yield document, scores


def _check_prediction(path: Path, document: Document, prediction: Prediction, schema: RelationSchema) -> None:
    head, relation, tail = prediction.triplet
    n = len(document.entities)
    if not (head < n and tail < n):
        raise InputError(f"{path}: {document.title!r} has {n} entities, so there is no pair [{head}, {tail}]")
    if relation not in schema.by_id:
        raise InputError(f"{path}: {document.title!r}: the schema has no relation {relation!r}; give ids such as P17")
