"""Triplets of an encoder's pair scores: their probability, the pair's other relations, and sentences as evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from harness.encoders.calibration import Calibration
from harness.types import Document, Entity, PairScores, Prediction, Triplet

MOST_EVIDENCE = 3
"""Sentences that are named as evidence of one relation."""
MOST_RANKED = 5
"""Relations that are named of a pair, beside NA."""
NA = "NA"
"""No relation."""


class Ranked(NamedTuple):
    """A relation of a pair, or NA, as the model scored it."""

    relation: str
    """Its id, or NA."""
    probability: float
    """Of NA: that of a relation which scores as NA does, from which the model itself predicts one."""
    logit: float
    """The model's score, with its threshold in NA's."""


@dataclass(frozen=True, slots=True)
class ScoredPrediction(Prediction):
    """A triplet of pair scores. ``ranking`` are the pair's best relations and NA, the best first."""

    ranking: tuple[Ranked, ...] = ()


def scored_predictions(
    document: Document, scores: PairScores, least: float | None, calibration: Calibration
) -> list[Prediction]:
    """The triplets whose probability is at least ``least``, the surest first, with evidence sentences.

    With None they are those that the scorer predicts itself.
    """
    margins = scores.margins
    threshold = 0.0
    if least is not None:
        logit = -math.inf if least <= 0 else math.inf if least >= 1 else math.log(least / (1 - least))
        threshold = (logit + calibration.offset) * calibration.temperature
    rankings: dict[int, tuple[Ranked, ...]] = {}
    found: list[Prediction] = []
    for row, column in zip(*(margins > threshold).nonzero(), strict=True):
        head, tail = (int(number) for number in scores.pairs[row])
        if row not in rankings:
            rankings[row] = _ranking(scores, row, calibration)
        probability = _probability(float(margins[row, column]), calibration)
        evidence = evidence_of(document.entities[head], document.entities[tail])
        triplet = Triplet(head, scores.relations[column], tail)
        found.append(ScoredPrediction(triplet, evidence, probability, rankings[row]))
    return sorted(found, key=lambda one: -(one.score or 0.0))


def _ranking(scores: PairScores, row: int, calibration: Calibration) -> tuple[Ranked, ...]:
    logits = [float(logit) for logit in scores.scores[row]]
    best = sorted(range(len(scores.relations)), key=lambda column: -logits[column])[:MOST_RANKED]
    names = {**{column: scores.relations[column] for column in best}, len(scores.relations): NA}
    return tuple(
        Ranked(names[column], _probability(logits[column] - logits[-1], calibration), round(logits[column], 3))
        for column in sorted(names, key=lambda column: -logits[column])
    )


def _probability(margin: float, calibration: Calibration) -> float:
    return round(calibration.probability(margin), 4)


def evidence_of(head: Entity, tail: Entity) -> tuple[int, ...]:
    """The first sentences that mention both, or else those of the two nearest mentions."""
    of_head, of_tail = ({one.sent_id for one in entity.mentions} for entity in (head, tail))
    if both := sorted(of_head & of_tail):
        return tuple(both[:MOST_EVIDENCE])
    nearest = min(((abs(one - other), one, other) for one in of_head for other in of_tail), default=None)
    return tuple(sorted(nearest[1:])) if nearest else ()
