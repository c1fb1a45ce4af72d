"""Several stored runs over the same documents vote on the triplets; the outcome is a stored run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.analyses.not_ranked import reasons_not_ranked
from harness.errors import InputError
from harness.methods.voting import LEAST_SHARE, voted
from harness.records.question import PROPOSES_PAIRS
from harness.runs.config import RunConfig
from harness.runs.failures import MOST_FAILED
from harness.runs.manifest import RunManifest
from harness.runs.planned_run import PlannedRun
from harness.runs.results import RunResult, store_scored
from harness.runs.selection import choice_of
from harness.runs.stored_config import config_to_score
from harness.runs.stored_data import WHEREVER, DataPlace, run_data
from harness.runs.stored_predictions import stored_predictions
from harness.runs.totals import RunTotals
from harness.scoring.official import Scorer
from harness.store import PREDICTIONS, DocumentRecord, RunFolder
from harness.types import Extraction, ModelSpec, PredictionSource


@dataclass(frozen=True)
class CombinedVotes(PlannedRun):
    """The votes of ``parts``, whose predictions have the checksum ``sha256``."""

    parts: tuple[str, ...]
    least_share: float
    sha256: str

    def resolved(self) -> dict[str, Any]:
        identity = {"runs": " ".join(self.parts), "least_share": f"{self.least_share:g}", "predictions": self.sha256}
        return {"dataset": self.dataset_identity(), "model": {"name": self.spec.name, "identity": identity}}

    @property
    def id_parts(self) -> tuple[str, ...]:
        return ("combined",)


def combine_runs(
    folders: Sequence[RunFolder],
    name: str,
    results: Path,
    least_share: float = LEAST_SHARE,
    place: DataPlace = WHEREVER,
) -> RunResult:
    """Store, under ``name``, the triplets that at least the share ``least_share`` of the runs predicted.

    Each run has one vote; a triplet's share is its score. The run is not ranked if one of its parts is not. Raises
    InputError for fewer than two runs, for one that is named twice, without a name, for runs over other documents, and
    for one that names no relations.
    """
    parts = sorted((RunResult.load(folder) for folder in folders), key=lambda one: one.folder.run_id)
    if len({one.folder.run_id for one in parts}) < max(2, len(parts)):
        raise InputError("combine at least two different runs, each named once")
    if not name.strip():
        raise InputError("--name is empty: leaderboards name the outcome by it")
    if not 0 < least_share <= 1:
        raise InputError(f"--least-share {least_share:g}: give a share above 0, up to 1")
    for one in parts:
        if one.manifest.question.given:
            raise InputError(
                f"{one.folder.run_id} found its entities itself: its triplets are not between those of others"
            )
        if one.manifest.question.task == PROPOSES_PAIRS:
            raise InputError(f"{one.folder.run_id} tells related pairs and names no relation: combine runs of triplets")
    first = parts[0]
    for other in parts[1:]:
        if _documents(other) != _documents(first):
            raise InputError(
                f"{first.folder.run_id} and {other.folder.run_id} are not over the same documents and relations"
            )
    stored, dataset = run_data(config_to_score(first.folder, first.manifest), first.folder, first.manifest, place)
    config = RunConfig(
        model=name,
        dataset=stored.dataset,
        split=stored.split,
        data_dir=stored.data_dir,
        results=results,
        **choice_of(stored),
    )
    claims = [stored_predictions(part.folder) for part in parts]
    digest = hashlib.sha256()
    for part in parts:
        digest.update((part.folder.path / PREDICTIONS).read_bytes())
    spec = ModelSpec(name=name, runner=PredictionSource.IMPORTED.value, model_id=name)
    ids = tuple(part.folder.run_id for part in parts)
    combined = CombinedVotes(config, spec, dataset, ids, least_share, digest.hexdigest())
    provenance = [
        {"run_id": part.folder.run_id, "not_ranked": list(reasons_not_ranked(part, MOST_FAILED))} for part in parts
    ]
    asked = combined.asked().changed(combines=provenance)
    folder, totals = RunFolder(results / "runs" / combined.run_id), RunTotals(scorer=Scorer())
    with folder.locked():
        with folder.document_writer() as writer:
            for document in combined.documents:
                predictions = voted([claim.get(document.title, []) for claim in claims], least_share)
                record = DocumentRecord.of(document.title, Extraction(predictions), 0, 0.0)
                writer.write(record)
                totals.add(record, document)
        return store_scored(folder, RunManifest(folder, asked), totals, combined, {})


def _documents(result: RunResult) -> tuple[object, ...]:
    """What two runs over the same documents have in common."""
    manifest = result.manifest
    asked = manifest.question.dataset
    return asked.sha256, asked.split, manifest.schema_sha256, *manifest.question.choice, manifest.documents.asked
