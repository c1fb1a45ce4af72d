"""Running an entity finder: batches of texts, their mentions, and the joins of these to entities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.encoders.entities.batching import EntityBatch, EntityCollator
from harness.encoders.entities.clustering import clusters, merges
from harness.encoders.entities.crf import best_tags
from harness.encoders.entities.model import EntityModel
from harness.encoders.entities.text import Span, TextEncoder, entities_of, gold_spans, tagged_spans
from harness.types import Document, Entity

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

BATCH_WORDS = 1024
"""Words in one batch, padding included."""
HELD_TO_SORT = 64
"""Texts that are read ahead and sorted by length."""


@dataclass(frozen=True)
class Found:
    """The mentions of a text in reading order, and how they join to entities (``clustering.merges``)."""

    spans: list[Span]
    joins: list[tuple[float, int, int]]

    def entities(self, document: Document, threshold: float) -> tuple[Entity, ...]:
        """The entities in the order of their first mentions; the type of one is the commonest of its mentions."""
        return entities_of(document, self.spans, clusters(self.joins, len(self.spans), threshold))


@dataclass(frozen=True)
class EntityInference:
    """An entity finder ready to read texts: where it runs, and whether matrix products are in bfloat16.

    Of several ``models``, which have the same tags and read the same tokens, the mean decides: of the scores of tags,
    and of the probabilities of coreference.
    """

    models: tuple[EntityModel, ...]
    encoder: TextEncoder
    collator: EntityCollator
    device: torch.device
    bf16: bool

    def find(self, documents: Iterable[Document], *, given: bool = False) -> Iterator[tuple[Document, Found]]:
        """Each document in turn with what was found in it; its own entities are not looked at.

        With its mentions ``given``, these are only joined.
        """
        held: list[Document] = []
        for document in documents:
            held.append(document)
            if len(held) == HELD_TO_SORT:
                yield from self._held(held, given)
                held = []
        yield from self._held(held, given)

    def _held(self, documents: Sequence[Document], given: bool) -> Iterator[tuple[Document, Found]]:
        for model in self.models:
            model.eval()
        lengths = [sum(map(len, document.sentences)) for document in documents]
        order = sorted((length, place) for place, length in enumerate(lengths) if length)
        found: dict[int, Found] = {}
        while order:
            batch = [order.pop()]
            # The longest comes first, so that it says what the others cost.
            while order and batch[0][0] * (len(batch) + 1) <= BATCH_WORDS:
                batch.append(order.pop())
            places = [place for _, place in batch]
            found.update(zip(places, self._batch([documents[place] for place in places], given), strict=True))
        for place, document in enumerate(documents):
            yield document, found.get(place, Found([], []))

    def _batch(self, documents: Sequence[Document], given: bool) -> list[Found]:
        import numpy as np
        import torch

        types = self.models[0].config.entity_types
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            batch = self.collator([self.encoder.encode(document) for document in documents]).to(self.device)
            states = [model.word_states(batch) for model in self.models]
            tagged = iter(self._tags(states, batch))
            found = []
            most = len(batch.shape) // len(documents)
            for number, document in enumerate(documents):
                spans = [
                    span
                    for sent_id, sentence in enumerate(document.sentences)
                    if sentence
                    for span in tagged_spans(next(tagged), sent_id, types)
                ]
                if given:
                    spans = sorted(gold_spans(document, types)[0])
                start, end, kind, pairs, features = self.encoder.mention_arrays(document, spans)
                probabilities = np.zeros((len(spans), len(spans)))
                if len(pairs):
                    arrays = [
                        torch.from_numpy(one).to(self.device)
                        for one in (start + number * most, end + number * most, kind, pairs, features)
                    ]
                    probabilities[pairs[:, 0], pairs[:, 1]] = self._coreference(states, arrays)
                    probabilities += probabilities.T
                found.append(Found(spans, merges(probabilities)))
        return found

    def _tags(self, states: Sequence[Tensor], batch: EntityBatch) -> list[list[int]]:
        """The best tags of each sentence of a batch, whose words have these states in each model."""
        emissions = [model.emissions(words, batch) for model, words in zip(self.models, states, strict=True)]
        moves = zip(*(model.chain.scores() for model in self.models), strict=True)
        return best_tags(mean(emissions), batch.mask, *map(mean, moves))

    def _coreference(self, states: Sequence[Tensor], arrays: Sequence[Tensor]) -> np.ndarray:
        """The probabilities [p] that pairs of mentions are of one entity."""
        logits = [model.pair_logits(words, *arrays) for model, words in zip(self.models, states, strict=True)]
        return mean([one.sigmoid() for one in logits]).cpu().numpy()


def mean(tensors: Sequence[Tensor]) -> Tensor:
    """The mean of tensors of one shape."""
    import torch

    return torch.stack(list(tensors)).mean(0)
