"""Relation strings as a model wrote them, mapped to the relations of the schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.alignment.normalise import normalise
from harness.types import RelationSchema


@dataclass(frozen=True)
class RelationMapper:
    """Maps a name or id to a relation id: as it is, then after normalisation.

    Re-DocRED's names stay distinct when normalised; in a schema where two do not, the first wins.
    """

    schema: RelationSchema

    def find(self, text: str) -> str | None:
        """The relation id meant, or None for a relation outside the schema."""
        if relation := self.schema.by_name.get(text) or self.schema.by_id.get(text):
            return relation.id
        return self._normalised.get(normalise(text))

    @cached_property
    def _normalised(self) -> Mapping[str, str]:
        forms: dict[str, str] = {}
        for relation in self.schema.relations:
            forms.setdefault(normalise(relation.name), relation.id)
        return forms
