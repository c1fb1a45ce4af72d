"""Whether the files of a complete run fit each other: checked before a run is ranked, without reading its records."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

from harness.errors import InputError
from harness.label_source import NO_LABELS
from harness.opening import opened
from harness.records.manifest import Asked, CompleteManifest
from harness.records.metrics import Metrics
from harness.redaction import HIDDEN, holds_marks
from harness.runs.planned_run import question_digest
from harness.scoring.counts import Counts, Scores
from harness.scoring.official import SCORER_VERSION, ign_scores
from harness.store import DOCUMENTS, METRICS, PREDICTIONS, REBUILD, RunFolder

_ROUNDING = 1e-6
_BLOCK_BYTES = 2**20


def check_to_rank(folder: RunFolder, manifest: CompleteManifest, metrics: Metrics) -> None:
    """Raises InputError where the files of a run cannot be those that the harness stored.

    Checked are the id against the question, the times, the scores against the counts, the number of documents in
    ``metrics.json`` and ``documents.jsonl``, and that the ends of this file and of ``predictions.json`` are whole.
    """
    # Manifests from before they named the run are taken as they are.
    if manifest.run_id and not id_fits(manifest.run_id, manifest):
        raise InputError(f"{folder.run_id}: its manifest was changed: its question is not that of its id; {REBUILD}")
    if any(min(session.seconds, session.loading_seconds) < 0 for session in manifest.sessions):
        raise InputError(f"{folder.run_id}: its manifest has seconds below 0; {REBUILD}")
    check_scores(folder, metrics)
    asked = manifest.documents.asked
    if metrics.label_source != NO_LABELS and len(metrics.per_document) != asked:
        raise InputError(
            f"{folder.path / METRICS}: has {len(metrics.per_document):,} of the run's {asked:,} documents; "
            f"`harness score {folder.run_id}` scores them again"
        )
    lines = _whole_lines(folder)
    if lines != asked:
        raise InputError(f"{folder.path / DOCUMENTS}: holds {lines:,} of the run's {asked:,} documents; {REBUILD}")
    _check_end(folder)


def id_fits(run_id: str, manifest: Asked) -> bool:
    """Whether a run's id ends in the checksum of the manifest's question; True where a part of it is hidden."""
    question = manifest.question.as_json()
    identity = manifest.question.model.identity.values()
    if any(value == HIDDEN or holds_marks(value) for value in identity):
        return True
    if not manifest.question.constraint.level:
        # Only written into the manifest, of encoders and of imported predictions.
        question.pop("constraint", None)
    return run_id.endswith(f"-{question_digest(question)}")


def check_scores(folder: RunFolder, metrics: Metrics) -> None:
    """Raises InputError where scores are none, or are not those that follow from the counts in the same file.

    Scores of another version of the scorer, and those of documents without gold labels, are not looked at.
    """
    if metrics.scorer_version != SCORER_VERSION or metrics.label_source == NO_LABELS:
        return
    for fault in _score_faults(metrics):
        raise InputError(f"{folder.path / METRICS}: {fault}; `harness score {folder.run_id}` scores it again")


def _score_faults(metrics: Metrics) -> Iterator[str]:
    official = metrics.official
    correct, predicted, gold = (sum(counts[place] for counts in metrics.per_document.values()) for place in range(3))
    counts = Counts(correct, predicted + (official.predicted_elsewhere or 0), gold)
    for name, counted in counts._asdict().items():
        if (told := getattr(official, name)) not in (None, counted):
            yield f"{name} is {told}, where the counts of the documents give {counted}"
    scores = Scores.of(counts)
    yield from _differing("", official, scores, ("precision", "recall", "f1"))
    if official.correct_in_train is not None:
        ign = ign_scores(scores, official.correct_in_train)
        yield from _differing("ign_", official, ign, ("f1",))
    for name in type(official).model_fields:
        value = getattr(official, name)
        if isinstance(value, float) and not 0 <= value <= 1:
            yield f"{name} is {value:g}, which is no score from 0 to 1"
    for relation, of_relation in metrics.per_relation.items():
        # Older files have no counts there.
        if {"correct", "predicted", "gold"} <= of_relation.model_fields_set:
            follow = Scores.of(Counts(of_relation.correct, of_relation.predicted, of_relation.gold))
            yield from (f"{relation}: {fault}" for fault in _differing("", of_relation, follow, ("f1",)))


def _differing(prefix: str, stored: object, scores: Scores, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        told, follows = getattr(stored, prefix + name), getattr(scores, name)
        if told is None or not math.isclose(told, follows, abs_tol=_ROUNDING):
            yield f"{prefix}{name} is {told}, where its counts give {follows:.4f}"


def _whole_lines(folder: RunFolder) -> int:
    """The lines of the records; only line ends are looked at."""
    path = folder.path / DOCUMENTS
    lines, last = 0, b"\n"
    with opened(path) as file:
        while block := file.read(_BLOCK_BYTES):
            lines += block.count(b"\n")
            last = block[-1:]
    if last != b"\n":
        raise InputError(f"{path}: was cut off in line {lines + 1}; {REBUILD}")
    return lines


def _check_end(folder: RunFolder) -> None:
    path = folder.path / PREDICTIONS
    with opened(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 2))
        if not file.read().rstrip().endswith(b"]"):
            raise InputError(f"{path}: was cut off; {REBUILD}")
