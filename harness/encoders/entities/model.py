"""The entity finder's network: words from subwords and their shapes, tags of words, coreference of mentions.

A word's state is the mean of its subwords' in the last layers of the encoder, read by an LSTM along the sentence.
MiniLM reads lower case only: the shape of a word (capitals, digits) therefore stands beside its state and, where the
encoder is trained, is added to the embeddings of its subwords. Mentions are tagged by a chain (``crf``); pairs of
them are compared by their states and by what their words have in common (``surface``), as in JEREX (Eberts and Ulges,
EACL 2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from harness.encoders.entities.batching import EntityBatch
from harness.encoders.entities.config import EntityConfig
from harness.encoders.entities.crf import Chain
from harness.encoders.entities.surface import FEATURES
from harness.encoders.entities.text import SHAPES
from harness.encoders.pair_model import EncoderModel
from harness.encoders.pooling import document_values, full_precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHAPE_SIZE = 32
"""Width of the embeddings of shapes and of types."""


class EntityModel(EncoderModel):
    """Finds mentions and tells which are of one entity."""

    config: EntityConfig

    def __init__(self, config: EntityConfig, encoder: PreTrainedModel) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        size, types = encoder.config.hidden_size, len(config.entity_types)
        self.input_shape = nn.Embedding(SHAPES, size) if config.shaped_input else None
        if self.input_shape is not None:
            nn.init.normal_(self.input_shape.weight, std=0.02)
        self.projection = nn.Linear(config.layers * size, config.projection_size)
        self.shape = nn.Embedding(SHAPES, SHAPE_SIZE)
        self.dropout = nn.Dropout(config.dropout)
        width = config.projection_size + SHAPE_SIZE
        self.words = nn.LSTM(width, config.word_size, batch_first=True, bidirectional=True)
        width += 2 * config.word_size
        self.tags = nn.Linear(width, 4 * types + 1)
        self.chain = Chain(types)
        self.mention_type = nn.Embedding(types, SHAPE_SIZE)
        self.mention = nn.Linear(2 * width + SHAPE_SIZE, config.mention_size)
        self.pair = nn.Sequential(
            nn.Linear(2 * config.mention_size + SHAPE_SIZE + FEATURES, config.mention_size),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.mention_size, 1),
        )

    def forward(self, batch: EntityBatch) -> tuple[Tensor, Tensor]:
        """The loss of the tags, and the logits [p] of the batch's mention pairs."""
        words = self.word_states(batch)
        loss = self.chain.loss(self.emissions(words, batch), batch.mask, batch.tags)
        return loss, self.pair_logits(words, batch.start, batch.end, batch.type, batch.pairs, batch.features)

    def encoded(self, batch: EntityBatch) -> Tensor:
        """The mean states [b * n, layers * d] of the subwords of each word, 0 for a word without any."""
        read = batch.read
        embeddings: Any = self.encoder.get_input_embeddings()
        embedded = embeddings(read.input_ids)
        if self.input_shape is not None:
            embedded = embedded + self.input_shape(batch.window_shape)
        output = self.encoder(inputs_embeds=embedded, attention_mask=read.attention_mask, output_hidden_states=True)
        states = torch.cat(output.hidden_states[-self.config.layers :], 2)
        rows = full_precision(document_values(states, read)).flatten(0, 1)
        words = rows.new_zeros(len(batch.shape) + 1, rows.shape[1]).index_add(0, batch.word, rows)
        counts = rows.new_zeros(len(words)).index_add(0, batch.word, rows.new_ones(len(rows)))
        return (words / counts.clamp(min=1)[:, None])[:-1]

    def word_states(self, batch: EntityBatch) -> Tensor:
        """The states [b * n, ...] of the words of a batch in their sentences."""
        encoded = batch.states if batch.states.shape[1] else self.encoded(batch)
        rows = torch.cat([torch.tanh(self.projection(self.dropout(encoded))), self.shape(batch.shape)], 1)
        rows = self.dropout(full_precision(rows))
        lengths = batch.mask.sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(rows[batch.words], lengths, batch_first=True, enforce_sorted=False)
        output, _ = nn.utils.rnn.pad_packed_sequence(
            self.words(packed)[0], batch_first=True, total_length=batch.words.shape[1]
        )
        read = output.new_zeros(len(rows), output.shape[2])
        read[batch.words[batch.mask]] = output[batch.mask]
        return torch.cat([self.dropout(full_precision(read)), rows], 1)

    def emissions(self, words: Tensor, batch: EntityBatch) -> Tensor:
        """How well each tag fits each word of each sentence [s, k, tags]."""
        return full_precision(self.tags(words))[batch.words]

    def pair_logits(
        self, words: Tensor, start: Tensor, end: Tensor, kind: Tensor, pairs: Tensor, features: Tensor
    ) -> Tensor:
        """The logits [p] that two mentions are of one entity; mentions by the rows of their first and last word."""
        mentions = torch.cat([words[start], words[end], self.mention_type(kind)], 1)
        mentions = torch.tanh(self.mention(mentions))
        one, other = mentions[pairs[:, 0]], mentions[pairs[:, 1]]
        types = self.mention_type(kind[pairs]).sum(1)
        compared = torch.cat([one * other, (one - other).abs(), types, features.to(one.dtype)], 1)
        return full_precision(self.pair(compared)[:, 0])
