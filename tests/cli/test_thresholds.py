"""`harness sweep threshold`: a precision-recall curve from stored scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from harness.analyses.thresholds import ScoredDocument, at, best_of, curve, shown_points
from harness.errors import InputError
from harness.types import Triplet
from tests.commands import error_line, harness, harness_json

A, B, C, D = (Triplet(0, "P17", tail) for tail in (1, 2, 3, 4))
DOCUMENTS = [
    ScoredDocument("one", b"1", frozenset({A, B}), {A: 0.9, C: 0.5}),
    ScoredDocument("two", b"2", frozenset({A}), {A: 0.5, D: 0.1}),
]


def test_the_curve_has_a_point_for_every_score() -> None:
    points = [(point.threshold, point.scores.correct, point.scores.predicted) for point in curve(DOCUMENTS)]
    assert points == [(0.9, 1, 1), (0.5, 2, 3), (0.1, 2, 4)]
    assert best_of(curve(DOCUMENTS)).threshold == 0.5
    assert at(DOCUMENTS, 0.3).scores == curve(DOCUMENTS)[1].scores
    assert at(DOCUMENTS, 0.3).scores.f1 == pytest.approx(2 * 2 / (3 + 3))


def test_few_points_are_shown_with_both_ends() -> None:
    scores = {Triplet(0, "P17", tail): tail / 1000 for tail in range(1, 500)}
    points = curve([ScoredDocument("one", b"1", frozenset({A}), scores)])
    shown = shown_points(points)
    assert (len(points), len(shown)) == (499, 21)
    assert (shown[0], shown[-1]) == (points[0], points[-1])


def test_nothing_to_choose_from_is_said() -> None:
    with pytest.raises(InputError, match="no triplet with a score"):
        best_of(curve([ScoredDocument("one", b"1", frozenset({A}), {})]))


def test_a_threshold_is_chosen_on_a_run_and_reported_on_other_documents(tmp_path: Path) -> None:
    run = ["run", "--model", "atlop-minilm", "--dataset", "sample", "--results-dir", str(tmp_path)]
    few, all_of_them = harness_json(*run, "--limit", "4"), harness_json(*run)
    command = ["sweep", "threshold", few["run_id"], "--report", all_of_them["run_id"], "--results-dir", str(tmp_path)]
    out = harness_json(*command, "--out", tmp_path / "curve.csv")
    assert out["chosen"]["predicted"] <= few["metrics"]["predicted"]
    assert out["reported"]["documents"] == sum(all_of_them["statuses"].values()) - 4
    rows = list(csv.DictReader((tmp_path / "curve.csv").open(encoding="utf-8")))
    assert float(rows[-1]["recall"]) == pytest.approx(few["metrics"]["recall"])
    (recorded,) = (Path(few["run_dir"]) / "chosen").iterdir()
    assert len(json.loads(recorded.read_text(encoding="utf-8"))["documents"]) == 4
    assert "is best on these documents" in harness(*command).stdout


def test_a_run_without_scores_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "answers.jsonl"
    script.write_text(json.dumps({"contains": "Ingrid", "text": "(E1 | place of birth | E5)\nEND"}) + "\n")
    run = harness_json(
        "run", "--model", "mock", "--prompt", "tagged", "--dataset", "sample", "--limit", "3",
        "-M", f"answers={script}", "--results-dir", tmp_path,
    )  # fmt: skip
    done = harness("sweep", "threshold", run["run_id"], "--results-dir", tmp_path)
    assert done.returncode == 2
    assert "its triplets have no scores; prompts that read probabilities give them" in error_line(done)
