"""A document as arrays for GLiDRE: its text as it stands, and the words of its mentions in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.encoders.config import ModelConfig
from harness.encoders.glidre_config import GlidreConfig
from harness.encoders.text import (
    DocumentEncoder,
    EncodedDocument,
    annotated_relations,
    candidate_pairs,
    distances,
    indexed_labels,
    word_starts,
)
from harness.types import Document

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class PlainDocumentEncoder:
    """Turns documents into arrays without markers.

    A word counts by its first subword. Every word of a mention is a ``mention_position``, so that a mean over the
    positions of an entity is one over all words of its mentions; a word that vanishes in tokenisation is none.
    """

    tokenizer: PreTrainedTokenizerBase
    config: GlidreConfig

    def encode(self, document: Document, *, with_labels: bool = False) -> EncodedDocument:
        """Raises InputError if labels are wanted and one has a relation that the model does not know."""
        import numpy as np

        words = [word for sentence in document.sentences for word in sentence]
        sentence_of_word = np.repeat(np.arange(len(document.sentences)), [len(one) for one in document.sentences])
        first_word = np.cumsum([0, *(len(sentence) for sentence in document.sentences)])
        encoding = self.tokenizer(words, is_split_into_words=True, add_special_tokens=False, verbose=False)
        word_of_subword = np.array(encoding.word_ids(), dtype=np.int64)
        mentioned = [
            (entity_index, word)
            for entity_index, entity in enumerate(document.entities)
            for mention in entity.mentions
            for word in range(first_word[mention.sent_id] + mention.start, first_word[mention.sent_id] + mention.end)
        ]
        owner, word = np.array(mentioned, dtype=np.int64).reshape(-1, 2).T
        is_read = np.isin(word, word_of_subword)
        owner, word = owner[is_read], word[is_read]
        position = np.searchsorted(word_of_subword, word)
        sentence = sentence_of_word[word_of_subword]
        entities = len(document.entities)
        sentence_distance, token_distance = distances(owner, sentence_of_word[word], position, entities)
        labels, evidence = indexed_labels(document, self.config.relations) if with_labels else ([], ())
        return EncodedDocument(
            title=document.title,
            input_ids=np.array(encoding["input_ids"], dtype=np.int64),
            sentence=sentence,
            word_start=word_starts(word_of_subword),
            mention_position=position,
            mention_entity=owner,
            entity_type=np.zeros(entities, dtype=np.int64),
            sentence_distance=sentence_distance,
            token_distance=token_distance,
            labels=np.array(labels, dtype=np.int64).reshape(-1, 3),
            evidence=evidence,
            pairs=candidate_pairs(document),
            annotated=annotated_relations(document, self.config.relations),
        )


def document_encoder(
    tokenizer: PreTrainedTokenizerBase, config: ModelConfig | GlidreConfig
) -> DocumentEncoder | PlainDocumentEncoder:
    """What turns documents into arrays for the models of a configuration."""
    if isinstance(config, GlidreConfig):
        return PlainDocumentEncoder(tokenizer, config)
    return DocumentEncoder(tokenizer, config)
