"""Entity references as a model wrote them, mapped to entity indices of the document."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, NamedTuple

from harness.alignment.normalise import normalise
from harness.types import Document

# rapidfuzz.fuzz.ratio, 0 to 100. LMRC maps with a fuzzy ratio and prints no cut-off; 90 forgives a
# dropped accent, plural or comma but keeps "Henry VII" apart from "Henry VIII" by the margin below.
FUZZY_CUTOFF = 90.0
FUZZY_MARGIN = 3.0

_ID = re.compile(r"[<\[(]*\s*[eE]\s*(\d{1,4})\s*[>\])]*(?:\s*[:=].*)?")

How = Literal["exact", "normalised", "fuzzy"]


class EntityMatch(NamedTuple):
    """An entity index, how it was found, and whether other entities matched just as well."""

    entity: int
    how: How
    ambiguous: bool = False


@dataclass(frozen=True)
class EntityMapper:
    """Maps references to the entities of one document, over all names of all mentions.

    In this order: the id (``E3``, with ``by_id``), a mention name as it is, a mention name after
    normalisation, the most similar mention name by ``rapidfuzz.fuzz.ratio`` if it reaches 90 and is
    3 points ahead of every other entity's. Where several entities bear the name, the one whose
    first mention bears it wins, then the one with more mentions of that name, then the earlier one;
    such matches are marked ambiguous.
    """

    document: Document
    by_id: bool

    def find(self, reference: str) -> EntityMatch | None:
        """The entity meant, or None."""
        if self.by_id and (match := _ID.fullmatch(reference.strip())):
            entity = int(match[1]) - 1
            return EntityMatch(entity, "exact") if 0 <= entity < len(self.document.entities) else None
        if found := self._exact.get(reference):
            return EntityMatch(found[0], "exact", len(found) > 1)
        if found := self._normalised.get(normalise(reference)):
            return EntityMatch(found[0], "normalised", len(found) > 1)
        return self._fuzzy(reference)

    @cached_property
    def _exact(self) -> Mapping[str, list[int]]:
        return self._ranked(lambda name: name)

    @cached_property
    def _normalised(self) -> Mapping[str, list[int]]:
        return self._ranked(normalise)

    def _ranked(self, form: Callable[[str], str]) -> Mapping[str, list[int]]:
        """Form of a name -> the entities that bear it, the most likely first."""
        bearers: dict[str, Counter[int]] = defaultdict(Counter)
        for number, entity in enumerate(self.document.entities):
            for mention in entity.mentions:
                bearers[form(mention.name)][number] += 1

        def likelihood(name: str, number: int) -> tuple[bool, int, int]:
            is_first_mention = form(self.document.entities[number].name) == name
            return (not is_first_mention, -bearers[name][number], number)

        return {name: sorted(bearers[name], key=partial(likelihood, name)) for name in bearers}

    def _fuzzy(self, reference: str) -> EntityMatch | None:
        from rapidfuzz import fuzz, process

        best: dict[int, float] = {}
        matches = process.extract(
            normalise(reference),
            list(self._normalised),
            scorer=fuzz.ratio,
            score_cutoff=FUZZY_CUTOFF - FUZZY_MARGIN,
            limit=None,
        )
        for name, score, _ in matches:
            for index in self._normalised[name]:
                best[index] = max(score, best.get(index, 0.0))
        ranking = sorted(best.items(), key=lambda item: -item[1])
        if not ranking or ranking[0][1] < FUZZY_CUTOFF:
            return None
        if len(ranking) > 1 and ranking[0][1] - ranking[1][1] < FUZZY_MARGIN:
            return None
        return EntityMatch(ranking[0][0], "fuzzy")
