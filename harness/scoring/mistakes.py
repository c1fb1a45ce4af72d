"""What kind of mistake every wrong and every missed triplet is, and which relations are taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from harness.types import Document, Triplet

WrongKind = Literal["wrong_direction", "wrong_relation", "extra_relation", "invented_pair"]
LostKind = Literal["alignment_drop", "entity_mapping"]
MissedKind = Literal[
    "failed",
    "wrong_direction",
    "alignment_drop",
    "entity_mapping",
    "wrong_relation",
    "missing_relation",
    "truncated",
    "missed_pair",
]

WRONG_KINDS: Mapping[WrongKind, str] = {
    "wrong_direction": "the labels have the triplet from tail to head",
    "wrong_relation": "the labels relate the pair otherwise, and a relation of theirs was not found",
    "extra_relation": "the labels relate the pair, all their relations of it were found, and this is one more",
    "invented_pair": "the labels relate the pair neither this way nor by this relation the other way",
}
"""The kinds of wrong predictions in the order in which they are tried, and what each means."""

MISSED_KINDS: Mapping[MissedKind, str] = {
    "failed": "the document has no usable answer",
    "wrong_direction": "predicted from tail to head",
    "alignment_drop": "the pair was stated with a relation outside the schema, which alignment dropped",
    "entity_mapping": "stated, but head or tail could not be mapped to an entity of the document",
    "wrong_relation": "the pair was predicted, with wrong relations only",
    "missing_relation": "the pair was predicted rightly with another relation of its own: this one is missing",
    "truncated": "nothing was predicted of the pair, and the answer was cut off",
    "missed_pair": "nothing was predicted of the pair",
}
"""The kinds of missed gold triplets in the order in which they are tried, and what each means."""

NO_RELATION = ""
"""What stands for the relation of a pair that has none, in a confusion."""

TRUNCATED = "truncated"
_NONE = (NO_RELATION,)
_USABLE = ("ok", TRUNCATED)


@dataclass(frozen=True, slots=True)
class LostTriplet:
    """A triplet that an answer stated and that became no prediction; None where a part could not be told."""

    head: int | None
    relation: str | None
    tail: int | None
    kind: LostKind

    def may_be(self, triplet: Triplet) -> bool:
        """Whether at least two parts are known, and all that are known agree with ``triplet``."""
        known = [(own, other) for own, other in zip(self._parts, triplet, strict=True) if own is not None]
        return len(known) >= 2 and all(own == other for own, other in known)

    @property
    def _parts(self) -> tuple[int | None, str | None, int | None]:
        return self.head, self.relation, self.tail


@dataclass(frozen=True)
class Mistakes:
    """The mistakes of a system in one document: every wrong and every missed triplet with its one kind.

    ``confused`` counts pairs of relations (gold, predicted): for each ordered entity pair, every relation that was
    missed with every one that was wrongly predicted; ``NO_RELATION`` stands on the side that has none.
    """

    correct: tuple[Triplet, ...]
    wrong: Mapping[Triplet, WrongKind]
    missed: Mapping[Triplet, MissedKind]
    confused: Mapping[tuple[str, str], int]


def find_mistakes(
    document: Document, predicted: Collection[Triplet], status: str = "ok", lost: Sequence[LostTriplet] = ()
) -> Mistakes:
    """Sort the distinct ``predicted`` triplets and the labels of a document.

    As many triplets are ``correct``, ``wrong`` and ``missed`` as the official scorer counts; the first kind that
    applies is taken. ``status`` is how the document ended, ``lost`` what its answer stated besides.
    """
    gold = list(dict.fromkeys(label.triplet for label in document.labels))
    claimed = list(dict.fromkeys(predicted))
    labelled, stated = set(gold), set(claimed)
    missed = [triplet for triplet in gold if triplet not in stated]
    wrong = [triplet for triplet in claimed if triplet not in labelled]
    pairs = _Pairs(_pairs(gold), _pairs(claimed), _pairs(missed), right=_pairs(labelled & stated))
    return Mistakes(
        correct=tuple(triplet for triplet in claimed if triplet in labelled),
        wrong={triplet: _wrong_kind(triplet, labelled, pairs) for triplet in wrong},
        missed={triplet: _missed_kind(triplet, stated, pairs, status, lost) for triplet in missed},
        confused=_confused(missed, wrong),
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The ordered pairs (head, tail) of the triplets of each sort."""

    gold: Set[tuple[int, int]]
    claimed: Set[tuple[int, int]]
    missed: Set[tuple[int, int]]
    right: Set[tuple[int, int]]


def _wrong_kind(triplet: Triplet, labelled: Collection[Triplet], pairs: _Pairs) -> WrongKind:
    pair = triplet.head, triplet.tail
    if _inverse(triplet) in labelled:
        return "wrong_direction"
    if pair in pairs.missed:
        return "wrong_relation"
    return "extra_relation" if pair in pairs.gold else "invented_pair"


def _missed_kind(
    triplet: Triplet, stated: Collection[Triplet], pairs: _Pairs, status: str, lost: Sequence[LostTriplet]
) -> MissedKind:
    pair = triplet.head, triplet.tail
    if status not in _USABLE:
        return "failed"
    if _inverse(triplet) in stated:
        return "wrong_direction"
    for kind in ("alignment_drop", "entity_mapping"):
        if any(one.kind == kind and one.may_be(triplet) for one in lost):
            return kind
    if pair in pairs.claimed:
        return "missing_relation" if pair in pairs.right else "wrong_relation"
    return "truncated" if status == TRUNCATED else "missed_pair"


def _confused(missed: Sequence[Triplet], wrong: Sequence[Triplet]) -> Counter[tuple[str, str]]:
    gold, predicted = _by_pair(missed), _by_pair(wrong)
    confused = Counter(
        (one, other) for pair, relations in gold.items() for one in relations for other in predicted.get(pair, _NONE)
    )
    confused.update((NO_RELATION, one) for pair in predicted.keys() - gold.keys() for one in predicted[pair])
    return confused


def _pairs(triplets: Collection[Triplet]) -> set[tuple[int, int]]:
    return {(head, tail) for head, _, tail in triplets}


def _by_pair(triplets: Collection[Triplet]) -> dict[tuple[int, int], list[str]]:
    relations: dict[tuple[int, int], list[str]] = {}
    for head, relation, tail in triplets:
        relations.setdefault((head, tail), []).append(relation)
    return relations


def _inverse(triplet: Triplet) -> Triplet:
    return Triplet(triplet.tail, triplet.relation, triplet.head)
