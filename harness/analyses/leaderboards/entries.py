"""One stored run as a row of a leaderboard, with the counts per document that its intervals and tests need."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.analyses.not_ranked import reasons_not_ranked
from harness.errors import InputError
from harness.records.manifest import Asked, CompleteManifest
from harness.runs.results import RunResult
from harness.store import METRICS, RunFolder
from harness.types import PredictionSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_UNREADABLE = (InputError, KeyError, TypeError, ValueError)
_SCORES = ("precision", "recall", "f1", "ign_f1", "intra_f1", "inter_f1")


class BoardKey(NamedTuple):
    """What the runs of a leaderboard share: dataset, split, and the checksums of the dataset's file and its relations.

    ``relations`` is empty for runs from before it was recorded. ``given`` is what they were given of the entities where
    it is not all: ``nothing`` or ``mentions``.
    """

    dataset: str
    split: str
    sha256: str
    relations: str = ""
    given: str = ""


DAMAGED = BoardKey("(damaged)", "", "")


@dataclass(frozen=True)
class RunFilter:
    """Which runs to look at: patterns as of file names (``qwen*``), None for all.

    ``prompt`` is compared with the variant's name and with its label, which names changed options too.
    """

    dataset: str | None = None
    split: str | None = None
    model: str | None = None
    prompt: str | None = None
    runner: str | None = None
    constraint: str | None = None

    def takes_board(self, dataset: str, split: str) -> bool:
        return _fits(self.dataset, dataset) and _fits(self.split, split)

    def takes_model(self, model: str) -> bool:
        return _fits(self.model, model)

    def takes(self, key: BoardKey, row: Mapping[str, Any]) -> bool:
        """Whether a run is looked at; a damaged one is, unless something is asked of what it does not tell."""
        named = all(_fits(getattr(self, name), row.get(name, "")) for name in ("model", "runner", "constraint"))
        label = row.get("prompt", "")
        return self.takes_board(key.dataset, key.split) and named and _fits(self.prompt, label, label.split(" ")[0])


@dataclass(frozen=True, eq=False)
class Entry:
    """A run's row; ``reason`` says why it cannot be ranked ("" if it can).

    ``counts`` [documents, 3] are those of a run that can be ranked, in the order of its titles; ``titles`` is a digest
    of these, ``documents`` the titles themselves. ``system`` tells runs that differ in more than their repetition, seed
    and examples drawn.
    """

    key: BoardKey
    reason: str
    row: dict[str, Any]
    counts: NDArray[np.int32] | None = None
    titles: str = ""
    system: str = ""
    documents: frozenset[str] = frozenset()


def read_entry(folder: RunFolder, chosen: RunFilter, max_failed: float) -> Entry | None:
    """The entry of a stored run, None for one that the filter leaves out; a damaged one is an entry too.

    ``max_failed`` is the share of documents without a full answer up to which a run is ranked.
    """
    try:
        manifest = folder.read_manifest()
        dataset = manifest.question.dataset
        given = manifest.question.entities_given
        key = BoardKey(dataset.name, dataset.split, dataset.sha256, manifest.schema_sha256 or "", given)
        row = described(folder, manifest)
        if not chosen.takes(key, row):
            return None
    except _UNREADABLE as error:
        row = {"run_id": folder.run_id}
        return Entry(DAMAGED, f"damaged: {error}", row) if chosen.takes(DAMAGED, row) else None
    if not isinstance(manifest, CompleteManifest):
        return Entry(key, manifest.status, row)
    if not folder.has(METRICS):
        return Entry(key, f"not scored: {METRICS} is missing; `harness score {folder.run_id}` scores it", row)
    try:
        result = RunResult.to_rank(folder, manifest)
        scored = {**row, **_scored(result)}
        reason = "; ".join(reasons_not_ranked(result, max_failed))
        return (
            Entry(key, reason, scored)
            if reason
            else Entry(
                *(key, "", scored, *_counts(result), _system(folder.run_id, manifest)),
                documents=frozenset(result.metrics.per_document),
            )
        )
    except _UNREADABLE as error:
        return Entry(key, f"damaged: {error}", row)


def _system(run_id: str, manifest: Asked) -> str:
    """What the repetitions of a run have in common; what was imported or combined has none."""
    if manifest.source == PredictionSource.IMPORTED:
        return run_id
    question = manifest.question.as_json()
    sampling = {name: value for name, value in question.get("sampling", {}).items() if name != "seed"}
    fixed = {name: value for name, value in question.items() if name not in ("repeat", "shots", "sampling")}
    return json.dumps([manifest.runner, manifest.prompt_label, fixed, sampling], sort_keys=True)


def repetitions_as_one(entries: Sequence[Entry]) -> list[Entry]:
    """One entry for the repetitions of a system: means, the deviation of F1, and the sum of their counts."""
    by_system: dict[str, list[Entry]] = {}
    for entry in entries:
        by_system.setdefault(entry.system, []).append(entry)
    return [_mean(found) if len(found) > 1 else found[0] for found in by_system.values()]


def _mean(entries: Sequence[Entry]) -> Entry:
    """The entry of several over the same documents; a number that one of them lacks is not available."""
    first, row = entries[0], dict(entries[0].row)
    for name in (*_SCORES, "coverage", "requests", "tokens", "seconds", "per_hour", "cost_usd"):
        values = [entry.row[name] for entry in entries]
        known = [value for value in values if value is not None]
        mean = statistics.mean(known) if len(known) == len(values) else None
        row[name] = round(mean) if mean is not None and name in ("requests", "tokens", "per_hour") else mean
    row |= {"f1_spread": statistics.stdev(entry.row["f1"] for entry in entries), "runs": len(entries)}
    row["run_id"] = " ".join(sorted(entry.row["run_id"] for entry in entries))
    counts = [entry.counts for entry in entries if entry.counts is not None]
    return replace(first, row=row, counts=sum(counts[1:], counts[0]))


def described(folder: RunFolder, manifest: Asked) -> dict[str, Any]:
    """What a row says of a run besides its scores."""
    return {
        "model": manifest.question.model.name,
        "prompt": manifest.label,
        "constraint": manifest.question.constraint.level,
        "alignment": _alignment(manifest),
        "runner": manifest.runner,
        "run_id": folder.run_id,
    }


def _alignment(manifest: Asked) -> str:
    """The SBERT model and theta that relations outside the schema were aligned with; "" where no model wrote any."""
    alignment, config = manifest.question.alignment, manifest.config
    if alignment is None:
        return "none" if manifest.question.constraint.level else ""
    over = " over descriptions" if config.align_over == "descriptions" else ""
    return f"{Path(config.align or '').name} {alignment.theta:g}{over}"


def _scored(result: RunResult) -> dict[str, Any]:
    metrics, usage = result.metrics.official, result.manifest.usage
    return {
        **{name: getattr(metrics, name) if result.is_scored else None for name in _SCORES},
        "coverage": result.coverage,
        "requests": usage.requests,
        "tokens": usage.tokens,
        "seconds": result.seconds,
        "per_hour": None if (speed := result.documents_per_hour) is None else round(speed),
        "cost_usd": result.cost_usd,
    }


def _counts(result: RunResult) -> tuple[NDArray[np.int32], str]:
    """The counts per document in the order of the titles, and a digest of these."""
    import numpy as np

    per_document = result.metrics.per_document
    titles = sorted(per_document)
    digest = hashlib.sha256("\n".join(titles).encode()).hexdigest()
    return np.array([per_document[title] for title in titles], dtype=np.int32), digest


def _fits(pattern: str | None, *names: str) -> bool:
    return pattern is None or any(fnmatchcase(name, pattern) for name in names)
