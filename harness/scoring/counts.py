"""Counts of correct, predicted and gold things, and the precision, recall and F1 they give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Counts(NamedTuple):
    """How many were correct, how many predicted, how many are gold; adds up over documents."""

    correct: int
    predicted: int
    gold: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Precision, recall and F1 (fractions, 0 to 1) with the counts they come from."""

    precision: float
    recall: float
    f1: float
    correct: int
    predicted: int
    gold: int

    @classmethod
    def of(cls, counts: Counts) -> Scores:
        """Micro scores; a zero denominator gives 0, as in the official scorer."""
        precision = ratio(counts.correct, counts.predicted)
        recall = ratio(counts.correct, counts.gold)
        return cls(precision, recall, f1(precision, recall), *counts)


def total(counts: Iterable[Counts]) -> Scores:
    """The micro scores of the counts of several documents."""
    return Scores.of(Counts(*map(sum, zip(Counts(0, 0, 0), *counts, strict=True))))


def ratio(part: int, whole: int) -> float:
    """``part / whole``, or 0 where there is no whole."""
    return part / whole if whole else 0.0


def f1(precision: float, recall: float) -> float:
    """The harmonic mean of precision and recall, or 0 where both are 0."""
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0
