"""Methods in steps from the command line: scores of each step, and gold results that keep a run off the ranking."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands import harness, harness_json

ANSWERS = [
    ("Which relations hold", "place of birth\ncapital\nEND"),
    ("Which entities of the document", "E1\nEND"),
    ("List all triplets", "(E1 | place of birth | E5)\nEND"),
]


@pytest.fixture
def steps_run(tmp_path: Path) -> list[str]:
    script = tmp_path / "answers.jsonl"
    lines = [json.dumps({"contains": question, "text": answer}) for question, answer in ANSWERS]
    script.write_text("\n".join(lines), encoding="utf-8")
    return [
        "run", "--model", "mock", "--prompt", "rhf", "--dataset", "sample", "--limit", "1",
        "-M", f"answers={script}", "--results-dir", str(tmp_path / "results"),
    ]  # fmt: skip


def counts(scores: dict[str, Any]) -> tuple[int, int, int]:
    return scores["correct"], scores["predicted"], scores["gold"]


def test_every_step_has_its_scores_beside_the_official_ones(steps_run: list[str], tmp_path: Path) -> None:
    run = harness_json(*steps_run)
    steps = run["steps"]
    assert steps["given"] == "none"
    assert [counts(steps[step]) for step in ("relations", "heads", "facts")] == [(1, 2, 9), (1, 2, 13), (1, 1, 15)]
    assert steps["facts"]["f1"] == run["metrics"]["f1"]
    assert run["usage"]["requests"] == 1 + 2 + 2
    results = tmp_path / "results"
    assert harness_json("score", run["run_id"], "--results-dir", results)["steps"] == steps
    shown = harness(*steps_run).stdout
    assert "\nrelations         P 50.00, R 11.11, F1 18.18 (1 of 2 found, 9 gold)\n" in shown


def test_with_gold_heads_only_facts_are_asked_for_and_the_run_is_not_ranked(
    steps_run: list[str],
) -> None:
    run = harness_json(*steps_run, "-P", "given=heads")
    assert run["steps"].keys() == {"given", "facts"}
    assert counts(run["steps"]["facts"]) == (1, 1, 15)
    assert (run["consults_gold"], run["usage"]["requests"]) == ("heads", 13)
    shown = harness(*steps_run, "-P", "given=heads").stdout
    assert "facts given gold heads" in shown
    assert "the heads come from the labels; not ranked" in shown


def test_a_question_that_another_run_asked_is_answered_from_the_journal(steps_run: list[str]) -> None:
    harness_json(*steps_run)
    run = harness_json(*steps_run, "-P", "given=relations")
    assert run["steps"].keys() == {"given", "heads", "facts"}
    assert run["spent"]["requests"] < run["usage"]["requests"]
