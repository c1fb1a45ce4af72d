"""The leaderboard ranks what is complete and comparable, and says why the rest is not ranked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.leaderboard import leaderboards
from harness.scoring.official import SCORER_VERSION
from harness.store import RunFolder


def write_run(
    results: Path,
    name: str,
    f1: float,
    *,
    status: str = "complete",
    asked: int = 10,
    failed: int = 0,
    scorer_version: int = SCORER_VERSION,
    sha256: str = "aa",
    options: dict[str, str] | None = None,
) -> None:
    run = RunFolder(results / "runs" / name)
    run.path.mkdir(parents=True)
    manifest: dict[str, Any] = {
        "status": status,
        "runner": "mock",
        "prompt_label": "tagged",
        "question": {
            "dataset": {"name": "sample", "split": "dev", "sha256": sha256},
            "model": {"name": name},
            "constraint": {"level": "closed"},
            "prompt": {"options": options or {}},
        },
        "documents": {"asked": asked, "in_split": 10},
        "statuses": {"ok": asked - failed, "api_error": failed},
        "usage": {"requests": asked, "prompt_tokens": 100, "completion_tokens": 10},
        "config": {},
        "sessions": [{"seconds": 5.0, "sent": 3}, {"seconds": 90.0, "sent": 0}],
        "prices": {"in": 1.0, "out": None},
    }
    run.write_manifest(manifest)
    names = ("precision", "recall", "f1", "intra_f1", "inter_f1")
    metrics: dict[str, float | None] = {**dict.fromkeys(names, f1), "ign_f1": None}
    run.write_metrics({"scorer_version": scorer_version, "metrics": metrics})


def test_runs_are_ranked_by_f1(tmp_path: Path) -> None:
    write_run(tmp_path, "low", 0.1)
    write_run(tmp_path, "high", 0.3)
    (board,) = leaderboards(tmp_path)
    assert list(board.ranked["model"]) == ["high", "low"]
    assert list(board.ranked["rank"]) == [1, 2]
    assert list(board.ranked["seconds"]) == [5.0, 5.0], "a session that only replayed took no model time"


def test_what_cannot_be_compared_stands_apart_with_its_reason(tmp_path: Path) -> None:
    write_run(tmp_path, "a", 0.9, asked=5)
    write_run(tmp_path, "b", 0.9, failed=2)
    write_run(tmp_path, "c", 0.9, status="running")
    write_run(tmp_path, "d", 0.9, scorer_version=SCORER_VERSION + 1)
    write_run(tmp_path, "e", 0.1)
    write_run(tmp_path, "f", 0.9, options={"given": "heads"})
    write_run(tmp_path, "g", 0.1, options={"given": "none"})
    (board,) = leaderboards(tmp_path)
    assert list(board.ranked["model"]) == ["e", "g"]
    reasons = dict(zip(board.unranked["model"], board.unranked["reason"], strict=True))
    assert reasons["a"] == "partial: 5 of 10 documents"
    assert reasons["b"] == "20.0% of the documents have no answer"
    assert reasons["c"] == "running"
    assert reasons["f"] == "consults gold: the heads come from the labels"
    assert "`harness score` it again" in reasons["d"]


def test_another_file_under_the_same_name_is_another_board(tmp_path: Path) -> None:
    write_run(tmp_path, "a", 0.1)
    write_run(tmp_path, "b", 0.2, sha256="bb")
    assert [len(board.ranked) for board in leaderboards(tmp_path)] == [1, 1]


def test_boards_can_be_chosen_by_dataset_and_split(tmp_path: Path) -> None:
    write_run(tmp_path, "a", 0.1)
    assert len(leaderboards(tmp_path, "sample", "dev")) == 1
    assert leaderboards(tmp_path, "sample", "test") == []
    assert leaderboards(tmp_path, "redocred") == []


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path) -> None:
    write_run(tmp_path, "a", 0.1)
    write_run(tmp_path, "broken", 0.1)
    (tmp_path / "runs" / "broken" / "manifest.json").write_text("{", encoding="utf-8")
    boards = leaderboards(tmp_path)
    assert any(list(board.ranked["model"]) == ["a"] for board in boards)
    assert any("damaged" in str(reason) for board in boards for reason in board.unranked["reason"])


def test_missing_values_are_null_in_json(tmp_path: Path) -> None:
    write_run(tmp_path, "a", 0.1)
    (board,) = leaderboards(tmp_path)
    row = json.loads(json.dumps(board.as_json()))["ranked"][0]
    assert row["ign_f1"] is None
    assert row["cost_usd"] is None
