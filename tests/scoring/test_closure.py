"""What follows from triplets, and what it adds to a stored run's F1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.datasets.registry import load_dataset
from harness.runs.closure import score_closure
from harness.runs.config import RunConfig
from harness.runs.sources.imported import import_run
from harness.scoring.closure import ClosureRules, closure
from harness.types import Triplet

RULES = ClosureRules(frozenset(["spouse"]), {"part": "has", "has": "part"}, frozenset(["part", "has"]))


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], {}),
        ([(0, "other", 1)], {}),
        ([(0, "spouse", 1)], {(1, "spouse", 0): "symmetric"}),
        ([(0, "spouse", 1), (1, "spouse", 0)], {}),
        ([(0, "part", 1)], {(1, "has", 0): "inverse"}),
        ([(0, "part", 1), (1, "part", 0)], {(1, "has", 0): "inverse", (0, "has", 1): "inverse"}),
    ],
)
def test_what_follows_by_each_rule(given: list[tuple[int, str, int]], added: dict[tuple[int, str, int], str]) -> None:
    assert closure([Triplet(*one) for one in given], RULES) == added


def test_rules_are_applied_until_nothing_follows_whatever_the_order() -> None:
    chain = [Triplet(3, "has", 2), Triplet(0, "part", 1), Triplet(1, "part", 2), Triplet(4, "part", 0)]
    part = {(0, 1), (1, 2), (2, 3), (4, 0), (0, 2), (0, 3), (1, 3), (4, 1), (4, 2), (4, 3)}
    everything = {Triplet(a, "part", b) for a, b in part} | {Triplet(b, "has", a) for a, b in part}
    for given in (chain, chain[::-1]):
        assert closure(given, RULES).keys() | set(given) == everything


def test_a_stored_run_shows_right_and_wrong_additions_apart(tmp_path: Path) -> None:
    documents = [one for one in load_dataset("sample").documents if len(one.labels) > 3]
    symmetric = next(
        (document, label.triplet)
        for document in documents
        for label in document.labels
        if label.triplet.relation == "P26"
    )
    document, married = symmetric
    file = tmp_path / "predictions.json"
    file.write_text(
        json.dumps([{"title": document.title, "h_idx": married.head, "t_idx": married.tail, "r": married.relation}])
    )
    result = import_run(file, RunConfig(model="one", dataset="sample", results=tmp_path / "results"))
    scores = score_closure(result.folder)
    back = Triplet(married.tail, "P26", married.head) in {label.triplet for label in document.labels}
    assert (scores.right.get("symmetric", 0), scores.wrong.get("symmetric", 0)) == (int(back), int(not back))
    assert scores.before.correct == 1
    assert scores.after.correct == 1 + back
    assert result.metrics.official.f1 == pytest.approx(scores.before.f1)
    assert scores.as_json()["f1_added"] == pytest.approx(scores.after.f1 - scores.before.f1)
