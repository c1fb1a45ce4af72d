"""Precision and recall of a stored run at every threshold of its scores, without a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from harness.datasets.content import content_hash
from harness.datasets.gold import with_gold
from harness.errors import InputError
from harness.records.question import PROPOSES_PAIRS
from harness.runs.stored_data import WHEREVER, DataPlace, find_dataset
from harness.scoring.counts import Counts, Scores
from harness.store import RunFolder
from harness.types import RELATED, Triplet

MOST_POINTS = 21
"""So many points are shown, at equal distances in the number of triplets that they predict."""


@dataclass(frozen=True, slots=True)
class ScoredDocument:
    """The triplets of a document with their scores: all candidates where they are stored, else what is predicted.

    ``content`` is the document's content hash.
    """

    title: str
    content: bytes
    gold: frozenset[Triplet]
    scores: dict[Triplet, float]


@dataclass(frozen=True)
class ScoredRun:
    """A stored run whose triplets have scores."""

    run_id: str
    dataset: str
    split: str
    documents_in_split: int
    documents: Sequence[ScoredDocument]


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """What the triplets with at least the score ``threshold`` give."""

    threshold: float
    scores: Scores

    def as_json(self) -> dict[str, float | int]:
        one = self.scores
        return {
            "threshold": self.threshold,
            "precision": one.precision,
            "recall": one.recall,
            "f1": one.f1,
            "correct": one.correct,
            "predicted": one.predicted,
            "gold": one.gold,
        }


def read_scored(folder: RunFolder, place: DataPlace = WHEREVER) -> ScoredRun:
    """The scores of a stored run; raises InputError where it has none, or its data is not found."""
    manifest = folder.read_manifest()
    dataset = with_gold(find_dataset(folder, manifest, place), "a sweep")
    documents = []
    for document, record in folder.records_of(islice(dataset.documents, manifest.documents.asked)):
        scores: dict[Triplet, float] = {}
        listed = record.details.get("candidates")
        for head, relation, tail, score in listed if isinstance(listed, list) else ():
            scores[Triplet(head, relation, tail)] = float(score)
        for one in record.predictions:
            if one.score is not None and not scores.get(one.triplet, -math.inf) > one.score:
                scores[one.triplet] = one.score
        if len(scores) < len({one.triplet for one in record.predictions}):
            raise InputError(
                f"{folder.run_id}: its triplets have no scores; prompts that read probabilities give them (hrt, "
                "relation-pairs, choice, judge, statements; those that list triplets with -P scores=tokens), and so do "
                "encoders"
            )
        gold = frozenset(label.triplet for label in document.labels)
        if manifest.question.task == PROPOSES_PAIRS:
            gold = frozenset(Triplet(head, RELATED, tail) for head, _, tail in gold)
        documents.append(ScoredDocument(document.title, content_hash(document), gold, scores))
    return ScoredRun(folder.run_id, dataset.name, dataset.split, len(dataset.documents), documents)


def curve(documents: Sequence[ScoredDocument]) -> list[ThresholdPoint]:
    """Micro precision, recall and F1 at every score that occurs, from the highest to the lowest."""
    gold = sum(len(document.gold) for document in documents)
    claims = [(score, one in document.gold) for document in documents for one, score in document.scores.items()]
    claims.sort(key=lambda claim: -claim[0])
    points, correct = list[ThresholdPoint](), 0
    for number, (score, is_gold) in enumerate(claims, 1):
        correct += is_gold
        if number == len(claims) or claims[number][0] < score:
            points.append(ThresholdPoint(score, Scores.of(Counts(correct, number, gold))))
    return points


def at(documents: Sequence[ScoredDocument], threshold: float) -> ThresholdPoint:
    """The scores at one threshold."""
    kept = [(document, one) for document in documents for one, score in document.scores.items() if score >= threshold]
    correct = sum(one in document.gold for document, one in kept)
    gold = sum(len(document.gold) for document in documents)
    return ThresholdPoint(threshold, Scores.of(Counts(correct, len(kept), gold)))


def best_of(points: Sequence[ThresholdPoint]) -> ThresholdPoint:
    """The point with the highest F1; of several the one with the highest threshold. Raises InputError without any."""
    if not points:
        raise InputError("the run has no triplet with a score: there is no threshold to choose")
    return max(points, key=lambda point: (point.scores.f1, point.threshold))


def shown_points(points: Sequence[ThresholdPoint]) -> list[ThresholdPoint]:
    """At most ``MOST_POINTS`` of them, the first and the last among them."""
    if len(points) <= MOST_POINTS:
        return list(points)
    step = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(number * step)] for number in range(MOST_POINTS)]
