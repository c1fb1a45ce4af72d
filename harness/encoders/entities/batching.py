"""Texts gathered into the tensors of one batch for the entity finder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from harness.encoders.batching import Batch, Collator
from harness.encoders.entities.text import EncodedText

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass
class EntityBatch:
    """b texts with up to n words and l subwords, in w windows of up to t tokens; s sentences of up to k words.

    - ``read``: windows and subwords, as for pairs, without entities.
    - ``window_shape`` [w, t]: the shape of the word of each token, 0 for special tokens and padding.
    - ``word`` [b * l]: the row of [b * n] of the word of each subword, b * n for padding; ``shape`` [b * n].
    - ``states`` [b * n, d]: of the words, if the encoder has read them; [b * n, 0] if not.
    - ``words``, ``mask``, ``tags`` [s, k]: the rows of [b * n] of a sentence's words, which are there, their tags.
    - ``start``, ``end`` [m]: rows of [b * n] of a mention's first and last word; ``type`` [m].
    - ``pairs`` [p, 2], ``features`` [p, f], ``coreferent`` [p]; ``share`` [p]: 1 over the mentions of the text.
    """

    read: Batch
    window_shape: Tensor
    word: Tensor
    shape: Tensor
    states: Tensor
    words: Tensor
    mask: Tensor
    tags: Tensor
    start: Tensor
    end: Tensor
    type: Tensor
    pairs: Tensor
    features: Tensor
    coreferent: Tensor
    share: Tensor

    def to(self, device: torch.device) -> EntityBatch:
        """The same batch on another device."""
        return EntityBatch(**{one.name: getattr(self, one.name).to(device) for one in fields(self)})


@dataclass(frozen=True)
class EntityCollator:
    """Builds batches of texts that each have a word."""

    collator: Collator

    def __call__(self, texts: Sequence[EncodedText]) -> EntityBatch:
        import numpy as np
        import torch

        read = self.collator([text.read for text in texts])
        longest = read.sentence.shape[1]
        most = max(len(text.shape) for text in texts)
        word = np.full(len(texts) * longest + 1, len(texts) * most)
        shape = np.zeros(len(texts) * most + 1, dtype=np.int64)
        size = 0 if texts[0].states is None else texts[0].states.shape[1]
        states = np.zeros((len(texts) * most, size), dtype=np.float32)
        for b, text in enumerate(texts):
            word[b * longest : b * longest + len(text.word)] = b * most + text.word
            shape[b * most : b * most + len(text.shape)] = text.shape
            if text.states is not None:
                states[b * most : b * most + len(text.shape)] = text.states
        sentences = [
            (b * most + begun, length)
            for b, text in enumerate(texts)
            for begun, length in zip(np.cumsum([0, *text.sentence_lengths[:-1]]), text.sentence_lengths, strict=True)
            if length
        ]
        width = max(length for _, length in sentences)
        words, tags = (np.zeros((len(sentences), width), dtype=np.int64) for _ in range(2))
        mask = np.zeros((len(sentences), width), dtype=bool)
        every = np.zeros((len(texts), most), dtype=np.int64)
        for b, text in enumerate(texts):
            every[b, : len(text.tags)] = text.tags
        for s, (begun, length) in enumerate(sentences):
            words[s, :length] = np.arange(begun, begun + length)
            mask[s, :length] = True
            tags[s, :length] = every.ravel()[begun : begun + length]
        before = np.cumsum([0, *(len(text.start) for text in texts)])
        arrays = {
            "word": word[:-1],
            "shape": shape[:-1],
            "states": states,
            "words": words,
            "mask": mask,
            "tags": tags,
            "start": np.concatenate([b * most + text.start for b, text in enumerate(texts)]),
            "end": np.concatenate([b * most + text.end for b, text in enumerate(texts)]),
            "type": np.concatenate([text.type for text in texts]),
            "pairs": np.concatenate([text.pairs + begun for text, begun in zip(texts, before[:-1], strict=True)]),
            "features": np.concatenate([text.features for text in texts]),
            "coreferent": np.concatenate([text.coreferent for text in texts]),
            "share": np.concatenate(
                [np.full(len(text.pairs), 1 / max(len(text.start), 1), dtype=np.float32) for text in texts]
            ),
        }
        window_shape = torch.from_numpy(shape[word])[read.token_index]
        return EntityBatch(read, window_shape, **{name: torch.from_numpy(value) for name, value in arrays.items()})
