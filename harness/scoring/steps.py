"""Scores of the steps of a method: the relations found, the heads found, and the facts (AutoRE's three tasks)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from harness.scoring.counts import Counts, Scores
from harness.types import Document, Prediction

RELATIONS, HEADS, FACTS = "relations", "heads", "facts"


@dataclass(frozen=True, slots=True)
class Found:
    """What the steps before the facts found in one document; None for a step that was not asked.

    ``relations`` are relation ids, ``heads`` pairs of a relation id and the index of an entity.
    """

    relations: frozenset[str] | None
    heads: frozenset[tuple[str, int]] | None

    @classmethod
    def of(cls, details: Mapping[str, object]) -> Found | None:
        """What the details of an extraction tell; None if they tell of no step."""
        match details.get("found"):
            case {"relations": list(relations), "heads": list(heads)}:
                return cls(frozenset(relations), frozenset((relation, head) for relation, head in heads))
            case {"relations": list(relations)}:
                return cls(frozenset(relations), None)
            case {"heads": list(heads)}:
                return cls(None, frozenset((relation, head) for relation, head in heads))
            case _:
                return None


def score_steps(
    documents: Iterable[Document], found: Mapping[str, Found], predictions: Mapping[str, Sequence[Prediction]]
) -> dict[str, Scores]:
    """Micro scores of each step that was asked, and of the facts; both mappings are by title.

    Relations are compared document by document, heads as pairs of a relation and a head, facts as triplets. What a step
    was not asked, as the one before it had not found it, counts as not found: given gold relations or heads, the
    scores of the next step are its own. A document without an answer found nothing.
    """
    totals: dict[str, Counts] = {}
    with_relations = any(one.relations is not None for one in found.values())
    with_heads = any(one.heads is not None for one in found.values())
    for document in documents:
        gold = {label.triplet for label in document.labels}
        here = found.get(document.title, Found(None, None))
        if with_relations:
            _add(totals, RELATIONS, here.relations or frozenset(), {triplet.relation for triplet in gold})
        if with_heads:
            _add(totals, HEADS, here.heads or frozenset(), {(triplet.relation, triplet.head) for triplet in gold})
        _add(totals, FACTS, {one.triplet for one in predictions.get(document.title, ())}, gold)
    return {step: Scores.of(counts) for step, counts in totals.items()}


def _add(totals: dict[str, Counts], step: str, predicted: Set[object], gold: Set[object]) -> None:
    here = Counts(len(predicted & gold), len(predicted), len(gold))
    totals[step] = Counts(*(old + new for old, new in zip(totals.get(step, Counts(0, 0, 0)), here, strict=True)))
