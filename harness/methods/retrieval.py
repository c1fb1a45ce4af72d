"""The relations of a large schema that a document is asked about: those most similar to its sentences by SBERT.

AutoRE (Xue et al., 2024) leaves open how a model is to choose among many relations. Here a relation's description and
its statement are compared with the sentences of the document by the cosine of sentence embeddings (Reimers and
Gurevych, 2019). Of two that are as similar, the one is preferred that more pairs of entities can have by their types.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from harness.alignment.embedding import Embedder
from harness.prompting.relations import RelationText
from harness.spacing import Spacing
from harness.types import Document, RelationSchema

if TYPE_CHECKING:
    from harness.alignment.vector_cache import Vectors

COSINE_DECIMALS = 4
"""Cosines are rounded, so that neither the device nor the other texts of a batch decide between relations."""

PAIR_WEIGHT = 0.05
"""Weight of the logarithm of the number of pairs that a relation's types allow, chosen on Re-DocRED's dev-choose."""


@dataclass(frozen=True)
class RelationRetrieval:
    """Chooses ``count`` relations of ``schema`` for a document, by the ``texts`` of its relations, by id.

    Without texts, relations are compared by their names. Labels are never looked at. What was chosen is kept.
    """

    schema: RelationSchema
    texts: Mapping[str, RelationText]
    embedder: Embedder
    count: int
    _chosen: dict[Document, RelationSchema] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def identity(self) -> dict[str, str | int]:
        """What tells this choice from any other, for a run's question."""
        compared = hashlib.sha256(json.dumps(self._compared).encode()).hexdigest()
        return {"count": self.count, "fingerprint": self.embedder.fingerprint, "texts_sha256": compared}

    def schema_for(self, document: Document) -> RelationSchema:
        """The chosen relations, in the schema's order; of equal ones the earlier. All if there are few."""
        if len(self.schema.relations) <= self.count:
            return self.schema
        if document not in self._chosen:
            self._chosen[document] = self._choose(document)
        return self._chosen[document]

    def _choose(self, document: Document) -> RelationSchema:
        spacing = Spacing.of(document.sentences)
        written = [text for sentence in document.sentences if (text := spacing.join(sentence).strip())]
        scores = [0.0] * len(self.schema.relations)
        if written:
            mean = (self.embedder.embed(written) @ self._vectors.T).mean(axis=0)
            scores = mean.astype("float64").round(COSINE_DECIMALS).tolist()
        pairs = Counter((document.entities[head].type, document.entities[tail].type) for head, tail in document.pairs)
        for place, relation in enumerate(self.schema.relations if self.texts else ()):
            fits = self.texts[relation.id].type_rank
            allowed = sum(count for types, count in pairs.items() if fits(*types) is not None)
            scores[place] += PAIR_WEIGHT * math.log1p(allowed)
        best = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[: self.count]
        return replace(self.schema, relations=tuple(self.schema.relations[place] for place in sorted(best)))

    @cached_property
    def _compared(self) -> list[list[str]]:
        """What each relation is compared by: its description and its statement, or its name."""
        return [
            [f"{one.name}: {self.texts[one.id].description}", self.texts[one.id].state("it", "it")]
            if self.texts
            else [one.name]
            for one in self.schema.relations
        ]

    @cached_property
    def _vectors(self) -> Vectors:
        """The sums of the vectors of each relation's texts, [relations, dimensions]."""
        columns = [self.embedder.embed(list(texts)) for texts in zip(*self._compared, strict=True)]
        return sum(columns[1:], columns[0])


def retrieval_scores(retrieval: RelationRetrieval, documents: Iterable[Document]) -> dict[str, int]:
    """How many gold triplets have a relation that was chosen for their document, and how many there are.

    No answer can state the others: the first number by the second is the bound of recall.
    """
    found = gold = 0
    for document in documents:
        chosen = retrieval.schema_for(document).by_id
        triplets = {label.triplet for label in document.labels}
        gold += len(triplets)
        found += sum(triplet.relation in chosen for triplet in triplets)
    return {"relations": retrieval.count, "of": len(retrieval.schema.relations), "found": found, "gold": gold}
