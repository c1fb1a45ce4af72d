"""GLiDRE: pairs and relation names encoded apart and compared, so that any label set can be scored.

Armingaud and Besançon (2025), "GLiDRE: Generalist Lightweight model for Document-level Relation Extraction".
What the published code does where it differs from the paper is done here too, so that published weights give
published scores: an entity is pooled from all words of all its mentions, and attention is the mean over the heads.
Each entity is computed once and pairs are gathered from them, where the published code gathers the words of every
mention for every pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.encoders.attention_rows import encode
from harness.encoders.batching import Batch
from harness.encoders.glidre_config import GlidreConfig
from harness.encoders.pair_model import Output, PairModel
from harness.encoders.pooling import (
    document_values,
    entity_attention,
    entity_means,
    entity_states,
    full_precision,
    pair_attention,
    sentence_attention,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LABELS_AT_ONCE = 256
CONTEXT_EPSILON = 1e-5


class FeedForward(nn.Module):
    """Two layers, the inner one four times as wide as the outer; parts of a concatenated input may come apart."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(inputs, 4 * outputs)
        self.dropout = nn.Dropout(dropout)
        self.outer = nn.Linear(4 * outputs, outputs)

    def forward(self, values: Tensor) -> Tensor:
        return self.finish(self.inner(values))

    def first(self, values: Tensor) -> Tensor:
        """The inner layer's share of the first part of an input; add that of the ``last``, then ``finish``."""
        return functional.linear(values, self.inner.weight[:, : values.shape[-1]], self.inner.bias)

    def last(self, values: Tensor) -> Tensor:
        """The inner layer's share of the last part of an input."""
        return functional.linear(values, self.inner.weight[:, -values.shape[-1] :])

    def finish(self, inner: Tensor) -> Tensor:
        """From the inner layer on."""
        outer: Tensor = self.outer(self.dropout(functional.relu(inner)))
        return outer


class Glidre(PairModel):
    """Scores pairs against the relation names of its configuration.

    ``label_ids`` and ``label_mask`` [relations, tokens] are those names as the label encoder reads them. They are
    no part of the saved weights.
    """

    config: GlidreConfig
    label_ids: Tensor
    label_mask: Tensor

    def __init__(
        self,
        config: GlidreConfig,
        encoder: PreTrainedModel,
        label_encoder: PreTrainedModel,
        label_ids: Tensor,
        label_mask: Tensor,
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.label_encoder = label_encoder
        size = config.hidden_size
        self.projection = _projection(encoder, size)
        self.label_projection = _projection(label_encoder, size)
        self.head = FeedForward(2 * size, size, config.dropout) if config.localized_context else None
        self.tail = FeedForward(2 * size, size, config.dropout) if config.localized_context else None
        self.pair = FeedForward(2 * size, size, config.dropout)
        self.label = FeedForward(size, size, config.dropout)
        self.threshold = _threshold(size, config.dropout) if config.adaptive else None
        self.register_buffer("label_ids", label_ids, persistent=False)
        self.register_buffer("label_mask", label_mask, persistent=False)
        self._label_states: Tensor | None = None

    def forward(self, batch: Batch, *, with_sentences: bool = False) -> Output:
        """The scores of a batch's pairs and relations; without localized context there is no attention to add."""
        windows, rows = encode(self.encoder, batch.input_ids, batch.attention_mask, batch.slots)
        states = document_values(windows, batch)
        if self.projection is not None:
            states = self.projection(states)
        pool = entity_means if self.config.pooling == "mean" else entity_states
        entities = pool(states, batch)
        sentences = None
        if self.head is not None and self.tail is not None:
            weights = self._weights(rows, batch)
            context = torch.einsum("bijl,bld->bijd", weights.to(states.dtype), states)
            context = context[batch.document, batch.head, batch.tail]
            of_head = self.head.first(entities)[batch.document, batch.head]
            of_tail = self.tail.first(entities)[batch.document, batch.tail]
            head = torch.tanh(self.head.finish(of_head + self.head.last(context)))
            tail = torch.tanh(self.tail.finish(of_tail + self.tail.last(context)))
            pairs = self.pair.finish(self.pair.first(head) + self.pair.last(tail))
            if with_sentences:
                shares = sentence_attention(weights, batch, batch.evidence.shape[1])
                sentences = full_precision(shares[batch.document, batch.head, batch.tail])
        else:
            of_head = self.pair.first(entities)[batch.document, batch.head]
            of_tail = self.pair.last(entities)[batch.document, batch.tail]
            pairs = self.pair.finish(of_head + of_tail)
        return Output(self._scores(pairs, self.label(self._labels(batch.relation))), sentences)

    def _weights(self, rows: Tensor, batch: Batch) -> Tensor:
        """Where head and tail look together, in words (their first subwords) [b, n, n, l]."""
        attention = entity_attention(rows.mean(1, keepdim=True), batch)
        return pair_attention(attention * batch.word_start[:, :, None, None], CONTEXT_EPSILON)

    def _scores(self, pairs: Tensor, labels: Tensor) -> Tensor:
        """Pairs [p, d] and labels [k, d] to logits [p, k + 1]."""
        logits = full_precision(pairs @ labels.T)
        if self.threshold is None:
            return functional.pad(logits, (0, 1))
        mean = labels.mean(0).expand(len(pairs), -1)
        na = full_precision(self.threshold(torch.cat([mean, pairs], 1)))
        return torch.cat([logits, na], 1)

    def _labels(self, relation: Tensor) -> Tensor:
        """The projected states of some of the relations' names [k, d]."""
        if self._label_states is None and self._is_label_encoder_frozen:
            self._label_states = self._all_label_states()
        if self._label_states is not None:
            states = self._label_states.to(relation.device)[relation]
        else:
            states = self._read_labels(self.label_ids[relation], self.label_mask[relation])
        return states if self.label_projection is None else self.label_projection(states)

    def _read_labels(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The mean over the tokens of names, special ones included: ids and mask [k, t] to [k, label width].

        Columns that none of them uses are left out: of thousands of names one may be very long.
        """
        width = int(mask.any(0).nonzero().max()) + 1
        ids, mask = ids[:, :width], mask[:, :width]
        states = self.label_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[:, :, None].to(states.dtype)
        mean: Tensor = (states * weights).sum(1) / weights.sum(1)
        return mean

    @torch.no_grad()
    def _all_label_states(self) -> Tensor:
        # Those of one length are read together.
        order = self.label_mask.sum(1).argsort(stable=True)
        parts = torch.split(order, LABELS_AT_ONCE)
        states = torch.cat([self._read_labels(self.label_ids[part], self.label_mask[part]) for part in parts])
        return states[order.argsort()]

    @property
    def _is_label_encoder_frozen(self) -> bool:
        return not any(parameter.requires_grad for parameter in self.label_encoder.parameters())

    def train(self, mode: bool = True) -> Glidre:
        """Labels are read anew when the label encoder learns; a frozen one goes on without dropout."""
        super().train(mode)
        if self._is_label_encoder_frozen:
            self.label_encoder.train(False)
        elif mode:
            self._label_states = None
        return self

    def read_as_labels(self, ids: Tensor, mask: Tensor) -> None:
        """Replace the names that are read as labels: ``ids`` and ``mask`` [names, tokens]. The names of the
        configuration's relations have to be the first ones."""
        self.label_ids, self.label_mask, self._label_states = ids, mask, None

    def begin_scoring(self) -> None:
        """Read all labels once, for all documents to come."""
        super().begin_scoring()
        if self._label_states is None or not self._is_label_encoder_frozen:
            self._label_states = self._all_label_states()


def _projection(encoder: PreTrainedModel, size: int) -> nn.Linear | None:
    width = encoder.config.hidden_size
    return None if width == size else nn.Linear(width, size)


def _threshold(size: int, dropout: float) -> nn.Sequential:
    """The score of NA from the mean label and the pair, side by side."""
    return nn.Sequential(nn.Linear(2 * size, size), nn.ReLU(), nn.Dropout(dropout), nn.Linear(size, 1))
