"""The leaderboard: complete runs of one split ranked by F1, all others apart with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.experiment.encoder_run import PROPOSES_PAIRS
from harness.experiment.results import RunResult
from harness.scoring.official import SCORER_VERSION
from harness.store import METRICS, RunFolder, run_folders

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "rank",
    "model",
    "prompt",
    "constraint",
    "precision",
    "recall",
    "f1",
    "ign_f1",
    "intra_f1",
    "inter_f1",
    "coverage",
    "requests",
    "tokens",
    "seconds",
    "cost_usd",
    "runner",
    "run_id",
)
BoardKey = tuple[str, str, str]
"""Dataset, split and checksum of the dataset's file."""
UNRANKED_COLUMNS = ("reason", *COLUMNS[1:])


@dataclass(frozen=True)
class Leaderboard:
    """One split of one dataset file: ranked rows, best first, and the runs that are not ranked."""

    dataset: str
    split: str
    ranked: pd.DataFrame
    unranked: pd.DataFrame

    def as_table(self) -> pd.DataFrame:
        """All runs in one table: dataset and split first, and for those not ranked the reason last."""
        import pandas as pd

        columns = ["dataset", "split", *COLUMNS, "reason"]
        rows = [*_records(self.ranked), *_records(self.unranked)]
        return pd.DataFrame([{"dataset": self.dataset, "split": self.split, **row} for row in rows], columns=columns)

    def as_json(self) -> dict[str, Any]:
        """Plain values, None for what is not available."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "ranked": _records(self.ranked),
            "unranked": _records(self.unranked),
        }


def leaderboards(results: Path, dataset: str | None = None, split: str | None = None) -> list[Leaderboard]:
    """A board per dataset, split and file checksum among the stored runs, by name.

    A run is ranked if it is complete, covers the whole split, every document got an answer, and it
    was scored by this version of the scorer.
    """
    import pandas as pd

    rows: dict[BoardKey, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}
    for folder in run_folders(results):
        key, reason, row = _row(folder)
        if dataset in (None, key[0]) and split in (None, key[1]):
            ranked, unranked = rows.setdefault(key, ([], []))
            (unranked if reason else ranked).append({"reason": reason, **row})
    boards = []
    for (name, part, _), (ranked, unranked) in sorted(rows.items()):
        ranked.sort(key=lambda row: -row["f1"])
        for rank, row in enumerate(ranked, 1):
            row["rank"] = rank
        boards.append(
            Leaderboard(
                name,
                part,
                pd.DataFrame(ranked, columns=list(COLUMNS)),
                pd.DataFrame(unranked, columns=list(UNRANKED_COLUMNS)),
            )
        )
    return boards


def _row(folder: RunFolder) -> tuple[BoardKey, str, dict[str, Any]]:
    """Board, reason for not being ranked ("" if ranked) and row of one run."""
    try:
        manifest = folder.read_manifest()
        question = manifest["question"]
        dataset = question["dataset"]
        key = (dataset["name"], dataset["split"], dataset["sha256"])
        row: dict[str, Any] = {
            "model": question["model"]["name"],
            "prompt": manifest["prompt_label"],
            "constraint": question["constraint"]["level"],
            "runner": manifest["runner"],
            "run_id": folder.run_id,
        }
        if manifest["status"] != "complete" or not folder.has(METRICS):
            return key, manifest["status"], row
        result = RunResult.load(folder)
        metrics, usage = result.metrics["metrics"], manifest["usage"]
        row |= {name: metrics[name] for name in ("precision", "recall", "f1", "ign_f1", "intra_f1", "inter_f1")}
        row |= {
            "coverage": result.coverage,
            "requests": usage["requests"],
            "tokens": usage["prompt_tokens"] + usage["completion_tokens"],
            "seconds": result.seconds,
            "cost_usd": result.cost_usd,
        }
        return key, _reason_not_ranked(result), row
    except (InputError, KeyError, TypeError) as error:
        return ("(damaged)", "", ""), f"damaged: {error}", {"run_id": folder.run_id}


def _reason_not_ranked(result: RunResult) -> str:
    documents = result.manifest["documents"]
    if not result.is_whole_split:
        return f"partial: {documents['asked']} of {documents['in_split']} documents"
    if result.consults_gold:
        return f"consults gold: the {result.consults_gold} come from the labels"
    if result.manifest["question"].get("task") == PROPOSES_PAIRS:
        return "proposes pairs without relations: see its pair F1"
    if not documents["asked"] or not result.coverage:
        return "no document ended ok"
    if result.failed_share:
        return f"{result.failed_share:.1%} of the documents have no answer"
    if result.metrics["scorer_version"] != SCORER_VERSION:
        return f"scored by version {result.metrics['scorer_version']} of the scorer: `harness score` it again"
    return ""


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    import pandas as pd

    records: list[dict[str, Any]] = table.astype(object).to_dict("records")  # type: ignore[assignment]
    return [{key: None if pd.isna(value) else value for key, value in record.items()} for record in records]
