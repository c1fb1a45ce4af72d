"""Drell's rules, by worked examples: which pairs are hard, and what a fusion predicts."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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


@st.composite
def _fusions(draw: st.DrawFn) -> tuple[Fusion, list[float], list[float], list[float]]:
    """A fusion, the encoder's and the model's probabilities of two to five options, and what is unread of each."""
    size = draw(st.integers(2, 5))
    encoder, model = (np.array(draw(st.lists(st.integers(0, 20), min_size=size, max_size=size))) for _ in range(2))
    assume(encoder.sum() and model.sum())
    unread = draw(st.lists(st.sampled_from([0.0, 1e-4, 0.01, 0.1, 0.5, 2.0]), min_size=size, max_size=size))
    fusion = Fusion(
        encoder_weight=draw(st.sampled_from([0.5, 1.0, 2.0])),
        model_weight=draw(st.sampled_from([0.5, 1.0, 2.0])),
        model_temperature=draw(st.sampled_from([0.2, 1.0, 1.7, 20.0])),
    )
    return fusion, list(encoder / encoder.sum()), list(model / model.sum()), unread


def _lead(fusion: Fusion, encoder: list[float], masses: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """How far each relation's sum exceeds that of none, the last option, where nothing is unread."""
    raised = np.where(masses > 0, masses, 0.0) ** (1 / fusion.model_temperature)
    sums = fusion.encoder_weight * np.array(encoder) + fusion.model_weight * raised / raised.sum()
    found: np.ndarray[Any, Any] = (sums - sums[-1])[:-1]
    return found


@settings(max_examples=60)
@given(_fusions(), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_a_certain_decision_is_the_same_wherever_the_unread_probability_lies(
    case: tuple[Fusion, list[float], list[float], list[float]], shares: list[float]
) -> None:
    fusion, encoder, model, unread = case
    fused = fusion.fuse(encoder, model, unread, none=len(model) - 1)
    corners = [np.array(model) + np.array(unread) * np.array(corner) for corner in product((0, 1), repeat=len(model))]
    leads = np.array([_lead(fusion, encoder, masses) for masses in corners])
    assume(np.abs(leads).min() > 1e-9)  # ties are for the cases: here they depend on rounding
    assert fused.predicted == tuple(np.flatnonzero((leads > 0).all(0)))
    assert fused.uncertain == bool(((leads > 0).any(0) & (leads <= 0).any(0)).any())
    anywhere = _lead(fusion, encoder, np.array(model) + np.array(unread) * np.array(shares[: len(model)]))
    assert set(fused.predicted) <= set(np.flatnonzero(anywhere > 0))
    if not fused.uncertain:
        assert fused.predicted == tuple(np.flatnonzero(anywhere > 0))


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
