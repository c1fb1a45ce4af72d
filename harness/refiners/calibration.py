"""How well an LLM's option probabilities fit: by the place of an option, by confidence, and after tempering.

Guo et al. (2017), "On Calibration of Modern Neural Networks", ICML: reliability in bins of confidence, the expected
calibration error, and a temperature that is fitted on other documents than those reported on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.refiners.evaluation import gold_triplets
from harness.refiners.fusion import tempered
from harness.refiners.refined import none_of
from harness.types import Document

BINS = 10
_LOWEST, _HIGHEST, _STEPS = math.log(0.05), math.log(20), 60


@dataclass(frozen=True)
class Question:
    """A question that was answered with probabilities: of each option by the LLM and, if it refined, the encoder.

    ``right`` are the places of the options that the labels make true: several relations, or none of them.
    """

    model: tuple[float, ...]
    encoder: tuple[float, ...] | None
    right: frozenset[int]
    none: int


class Place(NamedTuple):
    """How often the option at a place (from 0; -1: none of the relations) was right, and how often it was chosen."""

    place: int
    questions: int
    right: int
    chosen: int
    chosen_rightly: int


class Bin(NamedTuple):
    """The answers whose confidence lies in (low, high]: how many, their mean confidence, the share that is right."""

    low: float
    high: float
    answers: int
    confidence: float
    accuracy: float


def questions_of(document: Document, answers: Iterable[Mapping[str, Any]]) -> list[Question]:
    """The questions of a document's stored answers; those without probabilities are left out."""
    gold = gold_triplets(document)
    found = []
    for answer in answers:
        # Where a pair is known to hold a relation, none of them was no option.
        if answer["probabilities"] is None or None not in answer["options"]:
            continue
        head, tail = answer["pair"]
        true = {
            place for place, relation in enumerate(answer["options"]) if relation and (head, relation, tail) in gold
        }
        none = none_of(answer)
        encoder = answer.get("encoder")
        found.append(
            Question(
                tuple(answer["probabilities"]),
                None if encoder is None else tuple(encoder),
                frozenset(true or {none}),
                none,
            )
        )
    return found


def places(questions: Sequence[Question]) -> list[Place]:
    """Every place among the options, none of the relations last: a model that reads the question has no favourite."""
    longest = max((question.none for question in questions), default=0)
    table = []
    for place in [*range(longest), -1]:
        at = [(question, question.none if place < 0 else place) for question in questions]
        there = [(question, one) for question, one in at if place < 0 or one < question.none]
        chosen = [(question, one) for question, one in there if _best(question.model) == one]
        table.append(
            Place(
                place,
                len(there),
                sum(one in question.right for question, one in there),
                len(chosen),
                sum(one in question.right for question, one in chosen),
            )
        )
    return table


def reliability(questions: Sequence[Question], temperature: float = 1.0) -> list[Bin]:
    """Bins of equal width over the probability of the likeliest option; empty ones are left out."""
    held: dict[int, list[tuple[float, bool]]] = {}
    for question in questions:
        probabilities = tempered(question.model, temperature)
        best = _best(probabilities)
        number = min(BINS - 1, max(0, math.ceil(probabilities[best] * BINS) - 1))
        held.setdefault(number, []).append((probabilities[best], best in question.right))
    return [
        Bin(
            number / BINS,
            (number + 1) / BINS,
            len(answers),
            sum(confidence for confidence, _ in answers) / len(answers),
            sum(right for _, right in answers) / len(answers),
        )
        for number, answers in sorted(held.items())
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error: the mean distance of confidence and accuracy over all answers, 0 to 1."""
    total = sum(one.answers for one in bins)
    return sum(one.answers * abs(one.confidence - one.accuracy) for one in bins) / total if total else 0.0


def fitted_temperature(questions: Sequence[Question], of: Callable[[Question], Sequence[float] | None]) -> float | None:
    """The temperature under which the right options are likeliest, 0.05 to 20; None where nothing has probabilities.

    The logarithm of the temperature is searched by golden section for the least mean negative logarithm of the
    probability of all right options of a question.
    """
    pairs = [(probabilities, question.right) for question in questions if (probabilities := of(question)) is not None]
    if not pairs:
        return None

    def loss(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        return -sum(
            math.log(max(1e-12, sum(tempered(probabilities, temperature)[place] for place in right)))
            for probabilities, right in pairs
        )

    shrink = (math.sqrt(5) - 1) / 2
    low, high = _LOWEST, _HIGHEST
    for _ in range(_STEPS):
        first, second = high - shrink * (high - low), low + shrink * (high - low)
        low, high = (low, second) if loss(first) <= loss(second) else (first, high)
    return math.exp((low + high) / 2)


def _best(probabilities: Sequence[float]) -> int:
    return max(range(len(probabilities)), key=probabilities.__getitem__)
