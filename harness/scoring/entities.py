"""Scores of found mentions and entities against gold ones, as JEREX counts them (Eberts and Ulges, EACL 2021)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.scoring.counts import Counts
from harness.types import Entity

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
