"""What a run got wrong, document by document and in all: the numbers behind its page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.alignment.decisions import decisions_of
from harness.alignment.entities import EntityMapper
from harness.scoring.mistakes import LostTriplet, Mistakes, find_mistakes
from harness.store import DocumentRecord
from harness.types import Document, RelationSchema

_STATED = re.compile(r"\((.*) \| (.*) \| (.*)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document of a run: its number in the report, title, status, and how often each kind of mistake occurs."""

    number: int
    title: str
    status: str
    correct: int
    wrong: Counter[str]
    missed: Counter[str]

    def as_json(self) -> list[object]:
        return [self.number, self.title, self.status, self.correct, self.wrong, self.missed]


@dataclass
class RunAnalysis:
    """What accumulates over the documents of a run; ``scored`` are the predictions with a score, and if correct."""

    wrong: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    confused: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: list[DocumentRow] = field(default_factory=list)
    scored: list[tuple[float, bool]] = field(default_factory=list)
    gold: int = 0

    def add(self, number: int, record: DocumentRecord, mistakes: Mistakes) -> None:
        row = DocumentRow(
            number=number,
            title=record.title,
            status=record.status,
            correct=len(mistakes.correct),
            wrong=Counter(mistakes.wrong.values()),
            missed=Counter(mistakes.missed.values()),
        )
        self.rows.append(row)
        self.wrong.update(row.wrong)
        self.missed.update(row.missed)
        self.confused.update(mistakes.confused)
        self.gold += len(mistakes.correct) + len(mistakes.missed)
        correct = set(mistakes.correct)
        best = {one.triplet: one.score for one in reversed(record.predictions) if one.score is not None}
        self.scored += [(score, triplet in correct) for triplet, score in best.items()]


@dataclass(frozen=True)
class Examiner:
    """Finds the mistakes of the records of one document."""

    document: Document
    schema: RelationSchema

    def mistakes(self, record: DocumentRecord, by_id: bool) -> Mistakes:
        """``by_id`` says that the answer refers to entities by id."""
        predicted = [prediction.triplet for prediction in record.predictions]
        return find_mistakes(self.document, predicted, record.status, list(self._lost(record, by_id)))

    def _lost(self, record: DocumentRecord, by_id: bool) -> Iterator[LostTriplet]:
        for decision in decisions_of(record.details):
            if not decision.kept and decision.head is not None:
                # The nearest relation was not near enough to say which relation was meant.
                yield LostTriplet(decision.head, None, decision.tail, "alignment_drop")
        mapper = None
        for reject in record.rejects:
            if reject["reason"] == "unknown_entity" and (stated := _STATED.fullmatch(reject["text"])):
                mapper = mapper or EntityMapper(self.document, by_id)
                head, tail = mapper.find(stated[1]), mapper.find(stated[3])
                relation = self.schema.by_id.get(stated[2]) or self.schema.by_name.get(stated[2])
                yield LostTriplet(
                    head.entity if head else None,
                    relation.id if relation else None,
                    tail.entity if tail else None,
                    "entity_mapping",
                )


def precision_recall(scored: Sequence[tuple[float, bool]], gold: int) -> list[tuple[float, float, float]]:
    """Recall, precision and threshold (scores at or above it count) for each distinct score, the highest first.

    The last point is the run as it was scored: what it did not predict has no score here.
    """
    points: list[tuple[float, float, float]] = []
    correct = 0
    ordered = sorted(scored, key=lambda one: -one[0])
    for count, (score, is_correct) in enumerate(ordered, 1):
        correct += is_correct
        if count == len(ordered) or ordered[count][0] != score:
            points.append((correct / max(1, gold), correct / count, score))
    return points
