"""A method that is asked about some relations of a large schema, chosen for each document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.methods.asking import aside
from harness.methods.base import Demonstration, PromptMethod
from harness.methods.retrieval import RelationRetrieval
from harness.methods.settings import MethodSettings
from harness.types import Ask, Document, Extraction, RelationSchema


@dataclass(frozen=True)
class Retrieved:
    """The method that ``create`` makes of ``settings``, for each document with the relations chosen for it only."""

    settings: MethodSettings
    retrieval: RelationRetrieval
    create: Callable[[MethodSettings], PromptMethod]

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        # Embedding takes long enough to hold up the other documents.
        schema = await aside(ask, lambda: self.retrieval.schema_for(document))
        extraction = await self._method(schema).extract(document, ask)
        return replace(extraction, details={**extraction.details, "retrieved": list(schema.by_id)})

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """With the labels of the chosen relations: the others cannot be stated."""
        schema = self.retrieval.schema_for(document)
        return self._method(schema).demonstrate(document.within(schema.by_id))

    def _method(self, schema: RelationSchema) -> PromptMethod:
        shots = tuple(shot.within(schema.by_id) for shot in self.settings.shots)
        return self.create(replace(self.settings, schema=schema, shots=shots, retrieval=None))
