"""Rows that papers report, as rows of the leaderboard of their dataset and split."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.analyses.leaderboards.entries import RunFilter
from harness.reported import ReportedRow, reported_rows

NO_F1 = "no F1 in the paper's table"
_SHOWN = ("precision", "recall", "f1", "ign_f1", "intra_f1", "inter_f1")


def reported_boards(results: Path, chosen: RunFilter) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Rows by dataset and split, best F1 first; ``reason`` is None for those that stand beside whole runs.

    A system's setting stands in the column of prompts. Only the filters by dataset, split and model apply. A row that
    several tables give is one row with all of them as source.
    """
    boards: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in _merged(reported_rows(results)):
        if chosen.takes_board(row["dataset"], row["split"]) and chosen.takes_model(row["model"]):
            boards.setdefault((row["dataset"], row["split"]), []).append(row)
    for rows in boards.values():
        rows.sort(key=lambda row: -(row["f1"] or 0.0))
    return boards


def _merged(rows: Iterable[ReportedRow]) -> list[dict[str, Any]]:
    """The rows about all relations; those of one system and setting that contradict nowhere become one."""
    merged: list[dict[str, Any]] = []
    for row in rows:
        if row.relation:
            continue
        new = _as_record(row)
        same = next((one for one in merged if _agree(one, new)), None)
        if same is None:
            merged.append(new)
            continue
        same["source"] = f"{same['source']}; {new['source']}"
        same.update({key: value for key, value in new.items() if same[key] is None})
    for record in merged:
        if record["f1"] is None:
            record["reason"] = record["reason"] or NO_F1
    return merged


def _as_record(row: ReportedRow) -> dict[str, Any]:
    return {
        "dataset": row.dataset,
        "split": row.split,
        "model": row.system,
        "prompt": row.setting,
        "reason": row.apart or None,
        "source": row.source,
        "f1_spread": row.spreads.get("f1"),
        **{name: row.values.get(name) for name in _SHOWN},
    }


def _agree(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both are about the same, and no value of one contradicts the other's."""
    about = all(one[name] == other[name] for name in ("dataset", "split", "model", "prompt", "reason"))
    return about and all(None in (one[name], other[name]) or one[name] == other[name] for name in _SHOWN)
