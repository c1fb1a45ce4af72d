"""Scores of found mentions, entities and triplets against gold ones (JEREX, Eberts and Ulges, EACL 2021)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.scoring.counts import Counts
from harness.types import Document, Entity, Prediction

Place = tuple[int, int, int]
"""Sentence, first token, token after the last."""


def places(entity: Entity) -> frozenset[Place]:
    """Where the mentions of an entity are."""
    return frozenset((one.sent_id, one.start, one.end) for one in entity.mentions)


def mention_counts(gold: Sequence[Entity], found: Sequence[Entity], *, typed: bool = True) -> Counts:
    """Mentions whose place, and with ``typed`` their type, is that of a gold one; each place and type once."""
    return _counts(_mentions(gold, typed), _mentions(found, typed))


def cluster_counts(gold: Sequence[Entity], found: Sequence[Entity], *, typed: bool = True) -> Counts:
    """Entities whose mentions are exactly those of a gold one, with ``typed`` of its type as well."""
    return _counts(_clusters(gold, typed), _clusters(found, typed))


def strict_counts(gold: Document, found: Sequence[Entity], predictions: Sequence[Prediction]) -> Counts:
    """Triplets whose head and tail are exactly gold entities: the same mentions, and the same type."""
    wanted = {
        (_cluster(gold.entities[head]), relation, _cluster(gold.entities[tail]))
        for head, relation, tail in (label.triplet for label in gold.labels)
    }
    claimed = {
        (_cluster(found[head]), relation, _cluster(found[tail]))
        for head, relation, tail in (one.triplet for one in predictions)
    }
    return Counts(len(wanted & claimed), len(claimed), len(wanted))


def relaxed_counts(gold: Document, found: Sequence[Entity], predictions: Sequence[Prediction]) -> Counts:
    """Triplets whose head and tail have a mention of the gold entity, which counts for the one it shares most with.

    A gold triplet that two predictions stand for is found once; the other is wrong.
    """
    owner = {place: number for number, entity in enumerate(gold.entities) for place in places(entity)}
    stands_for: list[int | None] = []
    for entity in found:
        shared = Counter(owner[place] for place in sorted(places(entity)) if place in owner)
        stands_for.append(shared.most_common(1)[0][0] if shared else None)
    wanted = {tuple(label.triplet) for label in gold.labels}
    claimed = {
        (stands_for[head], relation, stands_for[tail]) for head, relation, tail in (p.triplet for p in predictions)
    }
    return Counts(len(wanted & claimed), len(predictions), len(wanted))


def _counts(gold: set[object], found: set[object]) -> Counts:
    return Counts(len(gold & found), len(found), len(gold))


def _mentions(entities: Iterable[Entity], typed: bool) -> set[object]:
    return {
        (mention.sent_id, mention.start, mention.end, mention.type if typed else "")
        for entity in entities
        for mention in entity.mentions
    }


def _clusters(entities: Iterable[Entity], typed: bool) -> set[object]:
    return {(places(entity), entity.type if typed else "") for entity in entities}


def _cluster(entity: Entity) -> tuple[frozenset[Place], str]:
    return places(entity), entity.type
