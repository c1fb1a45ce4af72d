"""ATLOP and the candidate proposer: one module from a batch of documents to the scores of all their pairs.

Zhou et al. (2021), "Document-Level Relation Extraction with Adaptive Thresholding and Localized Context
Pooling", AAAI. With every option of ``ModelConfig`` off it is that model; the proposer is LMRC's (one binary
output). Each entity is computed once, and pairs are gathered from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness.encoders.attention_rows import encode
from harness.encoders.batching import Batch
from harness.encoders.config import ModelConfig
from harness.encoders.pair_model import Output, PairModel
from harness.encoders.pooling import (
    document_values,
    entity_attention,
    entity_states,
    full_precision,
    pair_attention,
    sentence_attention,
)
from harness.encoders.reasoning import Axial, PairMatrix, Triangle
from harness.encoders.text import SENTENCE_DISTANCES, TOKEN_DISTANCES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PAIRS_AT_ONCE = 128
"""Pairs whose products of head and tail are held at once where no gradient needs them: they fit the cache."""


class Role(nn.Module):
    """Head or tail of each pair, from the entity, the pair's context, the entity's type and the distances."""

    def __init__(self, config: ModelConfig, state_size: int) -> None:
        super().__init__()
        size = config.projection_size
        self.entity = nn.Linear(state_size, size)
        self.context = nn.Linear(state_size, size, bias=False)
        self.entity_type = _feature(len(config.entity_types) + 1, size) if config.entity_types else None
        self.sentence_distance = _feature(SENTENCE_DISTANCES, size) if config.distances else None
        self.token_distance = _feature(TOKEN_DISTANCES, size) if config.distances else None

    def forward(self, entities: Tensor, context: Tensor, index: Tensor, batch: Batch) -> Tensor:
        """Entities [b, n, d] and contexts [p, d], the role's entity of each pair ``index`` [p], to [p, size]."""
        of_entity = self.entity(entities)
        if self.entity_type is not None:
            of_entity = of_entity + self.entity_type(batch.entity_type)
        summed: Tensor = of_entity[batch.document, index] + self.context(context)
        if self.sentence_distance is not None and self.token_distance is not None:
            summed = summed + self.sentence_distance(batch.sentence_distance)
            summed = summed + self.token_distance(batch.token_distance)
        return torch.tanh(summed)


class GroupBilinear(nn.Module):
    """A bilinear form of head and tail in which only dimensions of the same block meet."""

    def __init__(self, size: int, block: int, out: int) -> None:
        super().__init__()
        self.block = block
        self.out = nn.Linear(size * block, out)

    def forward(self, head: Tensor, tail: Tensor) -> Tensor:
        """Head and tail [p, size] to [p, out]."""
        # A broadcast product is the faster one, but not its gradient, which a matrix product has at a fraction.
        if torch.is_grad_enabled():
            return self._scores(head, tail, torch.matmul)
        parts = zip(torch.split(head, PAIRS_AT_ONCE), torch.split(tail, PAIRS_AT_ONCE), strict=True)
        return torch.cat([self._scores(*part, torch.mul) for part in parts])

    def _scores(self, head: Tensor, tail: Tensor, product: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        products = product(head.view(len(head), -1, self.block, 1), tail.view(len(tail), -1, 1, self.block))
        scores: Tensor = self.out(products.flatten(1))
        return scores


class Atlop(PairModel):
    """Scores pairs against the relations of its configuration, or against being related at all."""

    config: ModelConfig

    def __init__(self, config: ModelConfig, encoder: PreTrainedModel) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        state_size = encoder.config.hidden_size
        outputs = 1 if config.task == "rcp" else len(config.relations) + 1
        self.head = Role(config, state_size)
        self.tail = Role(config, state_size)
        blocks = 0 if config.reasoning == "none" else config.reasoning_layers
        width = config.pair_size if blocks else outputs
        self.dropout = nn.Dropout(config.dropout)
        self.bilinear = GroupBilinear(config.projection_size, config.block_size, width)
        types = (len(config.entity_types) + 1) ** 2
        self.types = _feature(types, width) if config.entity_types else None
        self.reasoning = nn.ModuleList(_block(config) for _ in range(blocks))
        self.norm = nn.LayerNorm(width) if blocks else None
        self.classifier = nn.Linear(width, outputs) if blocks else None
        self.of_relations = ("classifier.",) if blocks else ("bilinear.", "types.")

    def forward(self, batch: Batch, *, with_sentences: bool = False) -> Output:
        windows, rows = encode(self.encoder, batch.input_ids, batch.attention_mask, batch.slots)
        states = document_values(windows, batch)
        entities = entity_states(states, batch)
        weights = pair_attention(entity_attention(rows, batch))
        context = torch.einsum("bijl,bld->bijd", weights.to(states.dtype), states)
        context = context[batch.document, batch.head, batch.tail]
        head = self.head(entities, context, batch.head, batch)
        tail = self.tail(entities, context, batch.tail, batch)
        pairs = self.bilinear(self.dropout(head), self.dropout(tail))
        if self.types is not None:
            of_head, of_tail = (batch.entity_type[batch.document, index] for index in (batch.head, batch.tail))
            pairs = pairs + self.types(of_head * (len(self.config.entity_types) + 1) + of_tail)
        if self.norm is not None and self.classifier is not None:
            matrix = PairMatrix.of(batch)
            for block in self.reasoning:
                pairs = block(pairs, matrix)
            pairs = self.classifier(self.norm(pairs))
        logits = full_precision(pairs)
        if self.config.task == "rcp":
            logits = torch.cat([logits, torch.zeros_like(logits)], 1)
        sentences = None
        if with_sentences:
            shares = sentence_attention(weights, batch, batch.evidence.shape[1])
            sentences = shares[batch.document, batch.head, batch.tail]
            sentences = full_precision(sentences)
        return Output(logits, sentences)


def _block(config: ModelConfig) -> nn.Module:
    if config.reasoning == "axial":
        return Axial(config.pair_size, config.dropout)
    return Triangle(config.pair_size, config.reasoning_size, config.dropout)


def _feature(classes: int, size: int) -> nn.Embedding:
    """An embedding to add to what is already there: it starts small."""
    embedding = nn.Embedding(classes, size)
    nn.init.normal_(embedding.weight, std=0.02)
    return embedding
