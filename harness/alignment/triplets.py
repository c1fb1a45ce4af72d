"""Raw triplets become predictions, or rejects with the reason; nothing is dropped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.alignment.decisions import RelationDecision, as_details, decide
from harness.alignment.entities import EntityMapper
from harness.alignment.relations import RelationMapper
from harness.types import Prediction, RawTriplet, Reject, Triplet


@dataclass(frozen=True)
class AlignedTriplets:
    """Distinct predictions in the order written, rejects, and how the references were matched.

    ``matches`` counts ``normalised_entity``, ``fuzzy_entity``, ``ambiguous_entity``, ``normalised_relation``,
    ``aligned_relation``, ``inverted_relation`` (aligned, but written from tail to head) and ``merged_triplet``
    (different text, same triplet). ``decisions`` tells of every relation outside the schema, kept or not, whose
    entities are known.
    """

    predictions: tuple[Prediction, ...]
    rejects: tuple[Reject, ...]
    matches: Mapping[str, int]
    decisions: tuple[RelationDecision, ...] = ()

    @property
    def details(self) -> dict[str, object]:
        """Counts and decisions as a document's details hold them."""
        return {**self.matches, **as_details(list(self.decisions))}


def align_triplets(
    triplets: Iterable[RawTriplet],
    entities: EntityMapper,
    relations: RelationMapper,
    scores: Mapping[RawTriplet, float] = MappingProxyType({}),
) -> AlignedTriplets:
    """Map every reference. Reject reasons: unknown_entity, unknown_relation, below_theta, self_pair.

    A relation outside the schema is ``below_theta`` if the nearest one is not near enough, and
    ``unknown_relation`` where nothing is aligned: without alignment, or if it is no name at all (``-``). ``scores`` are
    those of some triplets as they were written.
    """
    predictions: dict[Triplet, Prediction] = {}
    rejects: list[Reject] = []
    decisions: list[RelationDecision] = []
    matches: Counter[str] = Counter()
    for raw in triplets:
        head, tail = entities.find(raw.head), entities.find(raw.tail)
        if head is None or tail is None:
            rejects.append(Reject("unknown_entity", _text(raw)))
            continue
        relation = relations.in_schema(raw.relation)
        decision = decide(raw.relation, relations, head.entity, tail.entity) if relation is None else None
        if decision:
            decisions.append(decision)
            relation = decision.relation if decision.kept else None
        if relation is None:
            rejects.append(Reject("below_theta" if decision else "unknown_relation", _text(raw)))
        elif head.entity == tail.entity:
            rejects.append(Reject("self_pair", _text(raw)))
        else:
            triplet = Triplet(head.entity, relation, tail.entity)
            matches["merged_triplet"] += triplet in predictions
            predictions.setdefault(triplet, Prediction(triplet, raw.evidence, scores.get(raw)))
            for match in (head, tail):
                matches["ambiguous_entity"] += match.ambiguous
                matches[f"{match.how}_entity"] += match.how != "exact"
            if decision:
                matches["aligned_relation"] += 1
                matches["inverted_relation"] += decision.inverted
            else:
                name = relations.schema.by_id[relation].name
                matches["normalised_relation"] += raw.relation not in (relation, name)
    counts = {name: count for name, count in matches.items() if count}
    return AlignedTriplets(tuple(predictions.values()), tuple(rejects), counts, tuple(decisions))


def _text(raw: RawTriplet) -> str:
    return f"({raw.head} | {raw.relation} | {raw.tail})"
