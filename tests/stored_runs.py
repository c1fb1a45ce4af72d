"""Run folders as a harness would have left them, with simulated counts, for tests that need many runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.records.manifest import Manifest, parsed_manifest
from harness.records.metrics import Metrics
from harness.scoring.counts import Counts, Scores
from harness.scoring.official import SCORER_VERSION
from harness.store import DOCUMENTS, PREDICTIONS, RunFolder
from tests.simulated import golds, simulated

OF_AN_ENCODER = {
    "runner": "encoder",
    "prompt_label": "",
    "encoder": {"seen": "", "seen_documents": {"documents": 10, "trained_on": 0, "chosen_by": 0, "unknown": 0}},
}
"""What the manifest of an encoder's run has, which saw none of the documents in training."""

GOLD = golds(np.random.default_rng(0), 10)


def manifest_of(name: str, documents: int, question: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The manifest of a complete run of the model ``name`` in which every document ended ok."""
    return {
        "status": "complete",
        "runner": "mock",
        "prompt_label": "tagged",
        "question": {
            "dataset": {"name": "sample", "split": "dev", "sha256": "aa"},
            "model": {"name": name},
            "constraint": {"level": "closed"},
            "prompt": {"name": "tagged", "options": {}},
            **(question or {}),
        },
        "documents": {"asked": documents, "in_split": documents},
        "statuses": {"ok": documents},
        "usage": {"requests": documents, "prompt_tokens": 100, "completion_tokens": 10, "cached_tokens": None},
        "rejects": {},
        "details": {},
        "config": {"dataset": "sample", "split": "dev", "data_dir": None},
        "sessions": [
            {"started": 0.0, "finished": 5.0, "seconds": 5.0, "sent": 3},
            {"started": 9.0, "finished": 99.0, "seconds": 90.0, "sent": 0},
        ],
        "prices": {"in": 1.0, "out": None},
    }


def as_manifest(content: Mapping[str, Any]) -> Manifest:
    """The manifest with this content."""
    return parsed_manifest(content, "the manifest", "mend the test")


def write_run(
    results: Path,
    name: str,
    per_document: Sequence[Counts],
    *,
    manifest: Mapping[str, Any] | None = None,
    question: Mapping[str, Any] | None = None,
    relations: int = 1,
    titles: Sequence[str] | None = None,
    scorer_version: int = SCORER_VERSION,
    labels: Mapping[str, str] | None = None,
) -> RunFolder:
    """A complete run of the model ``name`` with these counts; ``manifest`` and ``question`` replace what they name."""
    run = RunFolder(results / "runs" / name)
    run.path.mkdir(parents=True)
    documents = len(per_document)
    run.write_manifest(as_manifest({**manifest_of(name, documents, question), **(manifest or {})}))
    scores = Scores.of(Counts(*(sum(column) for column in zip(*per_document, strict=True))))
    titles = titles or [f"document {number}" for number in range(documents)]
    metrics = {
        "scorer_version": scorer_version,
        **({"labels": labels} if labels else {}),
        "metrics": {
            "precision": scores.precision,
            "recall": scores.recall,
            **dict.fromkeys(("f1", "intra_f1", "inter_f1"), scores.f1),
            "ign_f1": None,
        },
        "per_relation": {f"P{number}": {"f1": 0.0, "gold": number} for number in range(relations)},
        "per_document": {title: list(counts) for title, counts in zip(titles, per_document, strict=True)},
    }
    run.write_metrics(Metrics.model_validate(metrics))
    (run.path / DOCUMENTS).write_text("{}\n" * documents, encoding="utf-8")
    (run.path / PREDICTIONS).write_text("[]\n", encoding="utf-8")
    return run


def simulated_run(results: Path, name: str, recall: float, **options: Any) -> RunFolder:
    """A run over ten documents that finds each gold triplet with probability ``recall``."""
    return write_run(results, name, simulated(np.random.default_rng(1), recall, 2.0, GOLD), **options)
