"""The entity finder's network: words from subwords and their shapes, tags of words, coreference of mentions.

MiniLM reads lower case only. What shape a word had (capitals, digits) is therefore added to the embeddings of its
subwords, and stands beside its state. Mentions are tagged by a chain (``crf``); pairs of them are compared by their
states and by what their words have in common (``surface``), as JEREX does (Eberts and Ulges, EACL 2021).
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

SHAPE_SIZE = 16


class EntityModel(EncoderModel):
    """Finds mentions and tells which are of one entity."""

    config: EntityConfig

    def __init__(self, config: EntityConfig, encoder: PreTrainedModel) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        size, types = encoder.config.hidden_size, len(config.entity_types)
        self.shape = nn.Embedding(SHAPES, size)
        nn.init.normal_(self.shape.weight, std=0.02)
        self.word_shape = nn.Embedding(SHAPES, SHAPE_SIZE)
        self.dropout = nn.Dropout(config.dropout)
        self.words = nn.LSTM(2 * size + SHAPE_SIZE, config.word_size, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(2 * config.word_size, 4 * types + 1)
        self.chain = Chain(types)
        self.mention_type = nn.Embedding(types, SHAPE_SIZE)
        self.mention = nn.Linear(4 * config.word_size + SHAPE_SIZE, config.mention_size)
        self.pair = nn.Sequential(
            nn.Linear(2 * config.mention_size + FEATURES, config.mention_size),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.mention_size, 1),
        )

    def forward(self, batch: EntityBatch) -> tuple[Tensor, Tensor]:
        """The loss of the tags, and the logits [p] of the batch's mention pairs."""
        words = self.word_states(batch)
        loss = self.chain.loss(self.emissions(words, batch), batch.mask, batch.tags)
        return loss, self.pair_logits(words, batch.start, batch.end, batch.type, batch.pairs, batch.features)

    def word_states(self, batch: EntityBatch) -> Tensor:
        """The states [b * n, 2 * word_size] of the words of a batch."""
        read = batch.read
        embeddings: Any = self.encoder.get_input_embeddings()
        embedded = embeddings(read.input_ids) + self.shape(batch.window_shape)
        states = self.encoder(inputs_embeds=embedded, attention_mask=read.attention_mask).last_hidden_state
        rows = full_precision(document_values(states, read)).flatten(0, 1)
        words = self.dropout(torch.cat([rows[batch.first], rows[batch.last], self.word_shape(batch.shape)], 2))
        packed = nn.utils.rnn.pack_padded_sequence(words, batch.lengths.cpu(), batch_first=True, enforce_sorted=False)
        read_words, _ = nn.utils.rnn.pad_packed_sequence(
            self.words(packed)[0], batch_first=True, total_length=words.shape[1]
        )
        return self.dropout(full_precision(read_words)).flatten(0, 1)

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
        compared = torch.cat([one * other, (one - other).abs(), features.to(one.dtype)], 1)
        return full_precision(self.pair(compared)[:, 0])
