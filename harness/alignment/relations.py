"""Relation strings as a model wrote them, mapped to the relations of the schema."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.alignment.nearest import Nearest, NearestRelations
from harness.alignment.normalise import normalise
from harness.types import RelationSchema

DEFAULT_THETA = 0.55
"""Where LMRC found the best F1 on DocRED's dev split, with all-mpnet-base-v2 (Figure 3)."""


@dataclass(frozen=True)
class RelationAlignment:
    """What becomes of a relation outside the schema: the nearest one if the cosine is at least ``theta``."""

    relations: NearestRelations
    theta: float


@dataclass(frozen=True)
class RelationMapper:
    """Maps a name or id to a relation id: as it is, then after normalisation, then by ``alignment`` if there is one.

    Re-DocRED's names stay distinct when normalised; in a schema where two do not, the first wins.
    """

    schema: RelationSchema
    alignment: RelationAlignment | None = None

    def find(self, text: str) -> str | None:
        """The relation id meant, or None for a relation outside the schema that nothing in it is near enough to."""
        if relation := self.in_schema(text):
            return relation
        nearest = self.nearest(text)
        return nearest.relation if nearest and self.keeps(nearest) else None

    def in_schema(self, text: str) -> str | None:
        """The relation id whose name or id this is; None for a relation outside the schema."""
        if relation := self.schema.by_name.get(text) or self.schema.by_id.get(text):
            return relation.id
        return self._normalised.get(normalise(text))

    def nearest(self, text: str) -> Nearest | None:
        """The nearest relation, near enough or not; None without alignment, or if the text names no relation."""
        return self.alignment.relations.nearest(text) if self.alignment else None

    def keeps(self, nearest: Nearest) -> bool:
        """Whether the cosine reaches theta."""
        return self.alignment is not None and nearest.cosine >= self.alignment.theta

    async def learn(self, texts: Iterable[str]) -> None:
        """Embed what is outside the schema and new, in one batch and in a thread, so that ``find`` need not wait."""
        if self.alignment is None:
            return
        relations = self.alignment.relations
        new = [text for text in texts if self.in_schema(text) is None and not relations.knows(text)]
        if new:
            await asyncio.to_thread(relations.learn, new)

    @cached_property
    def _normalised(self) -> Mapping[str, str]:
        forms: dict[str, str] = {}
        for relation in self.schema.relations:
            forms.setdefault(normalise(relation.name), relation.id)
        return forms
