"""Raw triplets become predictions, or rejects with the reason; nothing is dropped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.alignment.entities import EntityMapper
from harness.alignment.relations import RelationMapper
from harness.types import Prediction, RawTriplet, Reject, Triplet


@dataclass(frozen=True)
class AlignedTriplets:
    """Distinct predictions in the order written, rejects, and how the references were matched.

    ``matches`` counts ``normalised_entity``, ``fuzzy_entity``, ``ambiguous_entity``,
    ``normalised_relation`` and ``merged_triplet`` (different text, same triplet).
    """

    predictions: tuple[Prediction, ...]
    rejects: tuple[Reject, ...]
    matches: Mapping[str, int]


def align_triplets(
    triplets: Iterable[RawTriplet], entities: EntityMapper, relations: RelationMapper
) -> AlignedTriplets:
    """Map every reference. Reject reasons: unknown_entity, unknown_relation, self_pair."""
    predictions: dict[Triplet, Prediction] = {}
    rejects: list[Reject] = []
    matches: Counter[str] = Counter()
    for raw in triplets:
        head, tail = entities.find(raw.head), entities.find(raw.tail)
        relation = relations.find(raw.relation)
        if head is None or tail is None:
            rejects.append(Reject("unknown_entity", _text(raw)))
        elif relation is None:
            rejects.append(Reject("unknown_relation", _text(raw)))
        elif head.entity == tail.entity:
            rejects.append(Reject("self_pair", _text(raw)))
        else:
            triplet = Triplet(head.entity, relation, tail.entity)
            matches["merged_triplet"] += triplet in predictions
            predictions.setdefault(triplet, Prediction(triplet))
            for match in (head, tail):
                matches["ambiguous_entity"] += match.ambiguous
                matches[f"{match.how}_entity"] += match.how != "exact"
            matches["normalised_relation"] += raw.relation not in (
                relation,
                relations.schema.by_id[relation].name,
            )
    return AlignedTriplets(tuple(predictions.values()), tuple(rejects), {k: n for k, n in matches.items() if n})


def _text(raw: RawTriplet) -> str:
    return f"({raw.head} | {raw.relation} | {raw.tail})"
