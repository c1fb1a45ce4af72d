"""Drell's rules, by worked examples: which pairs are hard, and what a fusion predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness.errors import InputError
from harness.refiners.fusion import Fusion
from harness.refiners.options import RefineOptions
from harness.refiners.task_distribution import TaskDistribution
from harness.types import PairScores

RELATIONS = ("A", "B", "C", "D", "E")


def _cases(name: str) -> list[Any]:
    cases = yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["name"]) for case in cases]


def _scores(rows: list[list[float]]) -> PairScores:
    pairs = np.array([(0, tail) for tail in range(1, len(rows) + 1)], dtype=np.int32).reshape(-1, 2)
    return PairScores("t", RELATIONS, pairs, np.array(rows, dtype=np.float64).reshape(-1, len(RELATIONS) + 1))


@pytest.mark.parametrize("case", _cases("task_distribution_cases.yaml"))
def test_a_pair_is_hard_where_na_is_first_and_the_runner_up_close(case: dict[str, Any]) -> None:
    found = TaskDistribution(**case.get("options", {})).hard_pairs(_scores([case["scores"]]))
    assert [list(one.relations) for one in found] == ([case["hard"]] if "hard" in case else [])


def test_the_probabilities_are_a_softmax_over_the_best_with_na_last() -> None:
    (hard,) = TaskDistribution(k=3).hard_pairs(_scores([[1.0, 0.5, 0.0, 0.0, 0.0, 1.5]]))
    odds = np.exp([1.0, 0.5, 1.5])
    assert hard.probabilities == pytest.approx(odds / odds.sum())
    assert hard.relations == ("A", "B")


def test_hard_pairs_come_by_head_then_tail() -> None:
    scores = _scores([[2.5, 0, 0, 0, 0, 3.0]] * 3)
    shuffled = PairScores("t", RELATIONS, np.array([[2, 0], [0, 2], [0, 1]]), scores.scores)
    assert [hard.pair for hard in TaskDistribution().hard_pairs(shuffled)] == [(0, 1), (0, 2), (2, 0)]


def test_a_document_without_pairs_has_no_hard_ones() -> None:
    assert TaskDistribution().hard_pairs(_scores([])) == []


@pytest.mark.parametrize("case", _cases("fusion_cases.yaml"))
def test_fusion_predicts_every_relation_whose_sum_exceeds_that_of_none(case: dict[str, Any]) -> None:
    unread = case.get("unread", [0.0] * len(case["model"]))
    fused = Fusion(**case.get("options", {})).fuse(case["encoder"], case["model"], unread, none=len(case["model"]) - 1)
    assert fused.sums == pytest.approx(case["sums"], abs=1e-4)
    assert list(fused.predicted) == case["predicted"]
    assert fused.uncertain == case.get("uncertain", False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": "1"}, "k=1"),
        ({"k": "27"}, "k=27"),
        ({"k": "3.5"}, "whole number"),
        ({"hardness": "0"}, "hardness=0"),
        ({"hardness": "nan"}, "hardness=nan"),
        ({"model_temperature": "0"}, "model_temperature=0"),
        ({"encoder_temperature": "-1"}, "encoder_temperature=-1"),
        ({"encoder_weight": "-1"}, "encoder_weight=-1"),
        ({"encoder_weight": "0", "model_weight": "0"}, "nothing would be left"),
        ({"weight": "1"}, "has the options k, hardness"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RefineOptions.of(options)
