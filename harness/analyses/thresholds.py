"""Precision and recall of a stored run at every threshold of its scores, without a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.datasets.content import content_hash
from harness.datasets.gold import with_gold
from harness.errors import InputError
from harness.methods.questions import LEAST
from harness.prompting.variant import LEAST_SCORE, SCORES
from harness.records.question import PROPOSES_PAIRS, Question
from harness.runs.chosen_settings import VOTE_SHARE
from harness.runs.planned_run import Scope
from harness.runs.stored_config import config_to_score
from harness.runs.stored_data import WHEREVER, DataPlace, run_data
from harness.scoring.counts import Counts, Scores
from harness.store import DocumentRecord, RunFolder
from harness.types import RELATED, Document, ModelSpec, Triplet

MOST_POINTS = 21
"""So many points are shown, at equal distances in the number of triplets that they predict."""
CERTAIN = math.inf
"""The score of what no threshold leaves out."""


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
    without_score: int = 0
    """Predicted triplets without a score, which count at every threshold."""
    system: tuple[str, str] = ("", "")
    """The model and the prompt, whose scores only have one scale."""
    option: str = ""
    """What runs at a threshold: an option of the prompt, in hundredths, or ``VOTE_SHARE``; empty without either."""

    def typed(self, threshold: float) -> str:
        """What to type to run at a threshold; empty where no option does."""
        if self.option == VOTE_SHARE:
            return f"--vote-share {threshold:g}"
        return f"-P {self.option}={round(100 * threshold)}" if self.option else ""


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
    config, dataset = run_data(config_to_score(folder, manifest), folder, manifest, place)
    with_gold(dataset, "a sweep")
    asked = Scope(config, ModelSpec(config.model, manifest.runner, config.model), dataset).documents
    documents, without_score = [], 0
    for document, record in folder.records_of(asked):
        scores = scores_of(document, record)
        without_score += sum(score == CERTAIN for score in scores.values())
        gold = frozenset(label.triplet for label in document.labels)
        if manifest.question.task == PROPOSES_PAIRS:
            gold = frozenset(Triplet(head, RELATED, tail) for head, _, tail in gold)
        documents.append(ScoredDocument(document.title, content_hash(document), gold, scores))
    if without_score and all(score == CERTAIN for one in documents for score in one.scores.values()):
        raise InputError(
            f"{folder.run_id}: its triplets have no scores; prompts that read probabilities give them (hrt, "
            "relation-pairs, choice, judge, statements; those that list triplets with -P scores=tokens), and so do "
            "encoders"
        )
    question = manifest.question
    return ScoredRun(
        run_id=folder.run_id,
        dataset=dataset.name,
        split=dataset.split,
        documents_in_split=len(dataset.documents),
        documents=documents,
        without_score=without_score,
        system=(question.model.name, question.prompt.name),
        option=_threshold_option(question),
    )


def _threshold_option(question: Question) -> str:
    """The option by which a run like this one predicts what has a score, or a share of votes, from a threshold on."""
    if question.votes:
        return VOTE_SHARE
    options = question.prompt.options if question.prompt else {}
    if SCORES in options:
        return LEAST_SCORE
    return LEAST if LEAST in options else ""


def scores_of(document: Document, record: DocumentRecord) -> dict[Triplet, float]:
    """The triplets of a record with their scores: its candidates, and what it predicts.

    As in the run's own scores, pairs that are no candidates of the corpus count for nothing. A predicted triplet whose
    probability could not be read is one that no threshold leaves out: its score is ``CERTAIN``.
    """
    scores: dict[Triplet, float] = {}
    listed = record.details.get("candidates")
    for head, relation, tail, score in listed if isinstance(listed, list) else ():
        scores[Triplet(head, relation, tail)] = float(score)
    for one in record.predictions:
        if one.score is not None and not scores.get(one.triplet, -math.inf) > one.score:
            scores[one.triplet] = one.score
        scores.setdefault(one.triplet, CERTAIN)
    if document.candidates is None:
        return scores
    pairs = set(document.candidates)
    return {one: score for one, score in scores.items() if (one.head, one.tail) in pairs}


def curve(documents: Sequence[ScoredDocument]) -> list[ThresholdPoint]:
    """Micro precision, recall and F1 at every score that occurs but ``CERTAIN``, from the highest to the lowest."""
    gold = sum(len(document.gold) for document in documents)
    claims = [(score, one in document.gold) for document in documents for one, score in document.scores.items()]
    claims.sort(key=lambda claim: -claim[0])
    points, correct = list[ThresholdPoint](), 0
    for number, (score, is_gold) in enumerate(claims, 1):
        correct += is_gold
        if score < CERTAIN and (number == len(claims) or claims[number][0] < score):
            points.append(ThresholdPoint(score, Scores.of(Counts(correct, number, gold))))
    return points


def at(documents: Sequence[ScoredDocument], threshold: float) -> ThresholdPoint:
    """The scores at one threshold."""
    kept = [(document, one) for document in documents for one, score in document.scores.items() if score >= threshold]
    correct = sum(one in document.gold for document, one in kept)
    gold = sum(len(document.gold) for document in documents)
    return ThresholdPoint(threshold, Scores.of(Counts(correct, len(kept), gold)))


def best_of(points: Sequence[ThresholdPoint], in_hundredths: bool = False) -> ThresholdPoint:
    """The point with the highest F1; of several the one with the highest threshold. Raises InputError without any.

    With ``in_hundredths`` the threshold is one that an option of the prompt can have, above 0.
    """
    if not points:
        raise InputError("the run has no triplet with a score: there is no threshold to choose")
    among = _in_hundredths(points) if in_hundredths else points
    return max(among, key=lambda point: (point.scores.f1, point.threshold))


def _in_hundredths(points: Sequence[ThresholdPoint]) -> list[ThresholdPoint]:
    """What each threshold of whole hundredths gives that leaves any triplet with a score."""
    found, place = list[ThresholdPoint](), -1
    for hundredths in range(100, 0, -1):
        while place + 1 < len(points) and points[place + 1].threshold >= hundredths / 100:
            place += 1
        if place >= 0:
            found.append(replace(points[place], threshold=hundredths / 100))
    return found or [replace(points[-1], threshold=0.01)]


def has_best(points: Sequence[ThresholdPoint]) -> bool:
    """Whether F1 depends on the threshold at all."""
    return len({point.scores.f1 for point in points}) > 1


def shown_points(points: Sequence[ThresholdPoint], best: ThresholdPoint | None = None) -> list[ThresholdPoint]:
    """At most ``MOST_POINTS`` of them, the first and the last among them, and ``best`` or one with its scores."""
    shown = list(points)
    if len(points) > MOST_POINTS:
        step = (len(points) - 1) / (MOST_POINTS - 1)
        shown = [points[round(number * step)] for number in range(MOST_POINTS)]
    if best and all(point.scores != best.scores for point in shown):
        shown.append(best)
    return sorted(shown, key=lambda point: -point.threshold)
