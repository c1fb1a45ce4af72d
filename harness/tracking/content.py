"""What a tracker is told of a run: its question, its scores and what it took, without paths and secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.redaction import shown
from harness.runs.results import RunResult
from harness.store import METRICS, PREDICTIONS

Value = str | int | float | bool


@dataclass(frozen=True)
class TrackedRun:
    """A run as trackers want it: flat names with dots, numbers, tags, and files to keep with it.

    ``parameters`` are the question that decides the run's id, in which the harness has hidden whatever could be a
    secret; the user's configuration, with its paths and addresses, is not among them.
    """

    name: str
    parameters: Mapping[str, Value]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    files: tuple[Path, ...]


def tracked(result: RunResult) -> TrackedRun:
    """The content of a complete run; scores are fractions (0 to 1), ``cost_usd`` US dollars."""
    manifest = result.manifest
    question = manifest.question
    model = {**question.model.as_json(), "identity": _without_places(question.model.identity)}
    measured: dict[str, float | int | None] = {
        **result.metrics.official.as_json(),
        "coverage": result.coverage,
        "seconds": result.seconds,
        "cost_usd": result.cost_usd,
        **{f"usage.{name}": count for name, count in manifest.usage.as_json().items()},
        **{f"statuses.{name}": count for name, count in manifest.statuses.items()},
    }
    return TrackedRun(
        name=result.folder.run_id,
        parameters={"runner": manifest.runner, **dict(_flat({**question.as_json(), "model": model}))},
        metrics={name: float(value) for name, value in measured.items() if value is not None},
        tags={
            "harness.run_id": result.folder.run_id,
            "harness.version": manifest.versions["docre-harness"],
            "harness.scorer_version": str(result.metrics.scorer_version),
            "harness.whole_split": str(result.is_whole_split).lower(),
            "harness.consults_gold": result.consults_gold or "no",
            "harness.labels": result.label_source.silver or result.label_source.kind,
            "harness.seen_by_encoder": result.seen_by_encoder or "no",
            "harness.seen_by_adapter": result.seen_by_adapter or "no",
            "harness.chosen_by_documents": result.chosen_by_documents or "no",
        },
        files=tuple(result.folder.path / name for name in (METRICS, PREDICTIONS)),
    )


def _without_places(identity: Mapping[str, str]) -> dict[str, str]:
    """What tells the model from others, without the address of its server and the folders of its files."""
    return {
        name: Path(value).name if Path(value).is_absolute() else value
        for name, value in shown(identity).items()
        if name != "base_url"
    }


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, str | int | float):
            yield f"{prefix}{key}", value
        elif value is not None and value != []:
            yield f"{prefix}{key}", str(value)
