"""Which relations a pair of entities is asked about: the options of Drell's question forms."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.errors import InputError
from harness.methods.candidates import GoldPairs, Pair, PairQuestion, PairSource
from harness.methods.settings import MethodSettings
from harness.types import Document

OPTIONS = "options"
"""The number that a variant leaves open: the most candidate relations of one pair."""
LEAST = "least"
"""The number that a variant leaves open: the least score, in hundredths, of a candidate that is predicted."""
LOWEST_KEPT = 0.01
"""Candidates below this score are not stored with the document."""


@dataclass(frozen=True)
class EveryRelation:
    """Every relation of the schema for every candidate pair."""

    settings: MethodSettings

    def questions(self, document: Document) -> tuple[PairQuestion, ...]:
        relations = tuple(relation.id for relation in self.settings.schema.relations)
        return tuple(PairQuestion(pair, relations) for pair in candidates_of(self.settings).pairs(document))

    def pair_count(self, document: Document) -> int:
        return len(candidates_of(self.settings).pairs(document))


@dataclass(frozen=True)
class CandidateRelations:
    """At most ``options`` relations for every candidate pair.

    They are the first of those that the source of the pairs proposes, in its order. For a pair without
    proposals they are those whose argument types (``RelationText.type_rank``) its entities have: a relation that
    names both types early comes before one that names them late, and the schema's order decides between equals.
    Where the pairs come from the labels, so do the relations: all gold relations of the pair, filled up with
    fitting ones that are drawn by ``--seed``. Fitting and gold relations are asked about in the schema's order,
    which tells nothing.
    """

    settings: MethodSettings

    def questions(self, document: Document) -> tuple[PairQuestion, ...]:
        source = candidates_of(self.settings)
        asked = self.of_pairs(document, source.pairs(document))
        return tuple(PairQuestion(pair, relations) for pair, relations in asked.items() if relations)

    def of_pairs(self, document: Document, pairs: Iterable[Pair]) -> dict[Pair, tuple[str, ...]]:
        """The relations that each of these candidate pairs is asked about."""
        source, limit = candidates_of(self.settings), number_of(self.settings, OPTIONS)
        proposed = source.relations(document)
        asked = {}
        for pair in pairs:
            relations: Sequence[str] = proposed.get(pair, ())
            if isinstance(source, GoldPairs):
                relations = self._with_distractors(document, pair, relations, limit)
            elif relations:
                relations = relations[:limit]
            else:
                relations = self._in_order(self._fitting(document, pair)[:limit])
            asked[pair] = tuple(relations)
        return asked

    def pair_count(self, document: Document) -> int:
        return len(candidates_of(self.settings).pairs(document))

    def _with_distractors(self, document: Document, pair: Pair, gold: Sequence[str], limit: int) -> list[str]:
        others = [relation for relation in self._fitting(document, pair) if relation not in gold]
        drawn = random.Random(f"{self.settings.sampling.seed} {document.title} {pair}")
        count = min(len(others), max(0, limit - len(gold)))
        return self._in_order([*gold, *drawn.sample(others, count)])

    def _fitting(self, document: Document, pair: Pair) -> list[str]:
        """The relations whose argument types the pair has; those that are about such types come first."""
        head, tail = (document.entities[index].type for index in pair)
        texts = self.settings.relation_texts
        ranks = {one: rank for one in self._places if (rank := texts[one].type_rank(head, tail)) is not None}
        return sorted(ranks, key=ranks.__getitem__)

    def _in_order(self, relations: Sequence[str]) -> list[str]:
        return sorted(relations, key=self._places.__getitem__)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {relation.id: place for place, relation in enumerate(self.settings.schema.relations)}


def candidates_of(settings: MethodSettings) -> PairSource:
    """The source of candidate pairs; raises InputError without one."""
    if settings.candidates is None:
        raise InputError(f"prompt {settings.variant.name!r} needs candidate pairs")
    return settings.candidates


def number_of(settings: MethodSettings, name: str) -> int:
    """A number that the variant leaves open; raises InputError where its file does not have it."""
    if name not in settings.options:
        raise InputError(f"prompt {settings.variant.name!r} needs [numbers.{name}] in its file")
    return int(settings.options[name])


def logistic(value: float) -> float:
    """The logistic function, also of an infinite ``value``."""
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0
