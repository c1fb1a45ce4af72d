"""Every wrong and every missed triplet gets one kind of mistake; the cases are worked out by hand in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring.mistakes import MISSED_KINDS, NO_RELATION, WRONG_KINDS, LostTriplet, find_mistakes
from harness.scoring.official import score
from harness.types import Prediction, Triplet
from tests.documents import document

CASES = yaml.safe_load((Path(__file__).parent / "mistake_cases.yaml").read_text(encoding="utf-8"))
FOUR = [[(0, 0, 1, "LOC")], [(0, 1, 2, "LOC")], [(0, 2, 3, "LOC")], [(0, 3, 4, "LOC")]]
TRIPLETS = st.tuples(st.integers(0, 4), st.sampled_from(["P17", "P36", "P131"]), st.integers(0, 4))
LABELS = TRIPLETS.filter(lambda triplet: 4 not in triplet)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_mistakes_are_those_worked_out_by_hand(case: dict[str, Any]) -> None:
    gold = document("A B C D", FOUR, [tuple(triplet) for triplet in case["gold"]])
    lost = [LostTriplet(*one) for one in case.get("lost", [])]
    predicted = [Triplet(*one) for one in case["predicted"]]
    mistakes = find_mistakes(gold, predicted, case.get("status", "ok"), lost)
    assert [[*triplet, kind] for triplet, kind in mistakes.wrong.items()] == case.get("wrong", [])
    assert [[*triplet, kind] for triplet, kind in mistakes.missed.items()] == case.get("missed", [])
    if "confused" in case:
        assert mistakes.confused == {(one, other): count for one, other, count in case["confused"]}


def test_every_kind_has_a_case() -> None:
    seen = {row[3] for case in CASES for side in ("wrong", "missed") for row in case.get(side, [])}
    assert seen == WRONG_KINDS.keys() | MISSED_KINDS.keys()


@given(st.lists(LABELS, max_size=8), st.lists(TRIPLETS, max_size=8))
def test_counts_are_those_of_the_official_scorer(
    gold: list[tuple[int, str, int]], predicted: list[tuple[int, str, int]]
) -> None:
    labelled = document("A B C D", FOUR, gold)
    claimed = [Triplet(*one) for one in predicted]
    mistakes = find_mistakes(labelled, claimed)
    official = score([labelled], {"Title": [Prediction(one) for one in claimed]}).triplets
    assert len(mistakes.correct) == official.correct
    assert len(mistakes.wrong) == official.predicted - official.correct
    assert len(mistakes.missed) == official.gold - official.correct
    assert {relation for _, relation, _ in mistakes.missed} == {one for one, _ in mistakes.confused} - {NO_RELATION}
    assert {relation for _, relation, _ in mistakes.wrong} == {one for _, one in mistakes.confused} - {NO_RELATION}
