"""Listed entities and relations become indices and ids, or rejects with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.alignment.decisions import RelationDecision, decide
from harness.alignment.entities import EntityMapper
from harness.alignment.relations import RelationMapper
from harness.types import Reject

Found = TypeVar("Found", int, str)


@dataclass(frozen=True)
class AlignedList(Generic[Found]):
    """What was found, distinct and in the order written, rejects, and how the items were matched.

    ``matches`` counts ``normalised_entity``, ``fuzzy_entity``, ``ambiguous_entity``, ``normalised_relation`` and
    ``aligned_relation``, ``inverted_relation`` (as in ``align_triplets``) and ``merged_item`` (different text, same
    entity or relation). ``decisions`` tells of every relation outside the schema.
    """

    found: tuple[Found, ...]
    rejects: tuple[Reject, ...]
    matches: Mapping[str, int]
    decisions: tuple[RelationDecision, ...] = ()


def align_entities(items: Iterable[str], entities: EntityMapper) -> AlignedList[int]:
    """Entity indices; the reject reason is unknown_entity."""
    found: dict[int, None] = {}
    rejects: list[Reject] = []
    matches: Counter[str] = Counter()
    for item in items:
        match = entities.find(item)
        if match is None:
            rejects.append(Reject("unknown_entity", item))
            continue
        matches["merged_item"] += match.entity in found
        matches["ambiguous_entity"] += match.ambiguous
        matches[f"{match.how}_entity"] += match.how != "exact"
        found[match.entity] = None
    return AlignedList(tuple(found), tuple(rejects), _counted(matches))


def align_relations(items: Iterable[str], relations: RelationMapper) -> AlignedList[str]:
    """Relation ids; the reject reasons are unknown_relation and below_theta, as in ``align_triplets``."""
    found: dict[str, None] = {}
    rejects: list[Reject] = []
    decisions: list[RelationDecision] = []
    matches: Counter[str] = Counter()
    for item in items:
        relation = relations.in_schema(item)
        decision = decide(item, relations) if relation is None else None
        if decision:
            decisions.append(decision)
            relation = decision.relation if decision.kept else None
        if relation is None:
            rejects.append(Reject("below_theta" if decision else "unknown_relation", item))
            continue
        matches["merged_item"] += relation in found
        if decision:
            matches["aligned_relation"] += 1
            matches["inverted_relation"] += decision.inverted
        else:
            matches["normalised_relation"] += item not in (relation, relations.schema.by_id[relation].name)
        found[relation] = None
    return AlignedList(tuple(found), tuple(rejects), _counted(matches), tuple(decisions))


def _counted(matches: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in matches.items() if count}
