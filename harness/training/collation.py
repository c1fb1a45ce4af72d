"""How training batches differ from those that are scored: labels drawn, words hidden, entities with other names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from transformers import PreTrainedTokenizerBase

from harness.encoders.batching import Batch, Collate, Collator, LabelSampler
from harness.encoders.config import Task
from harness.encoders.plain_text import PlainDocumentEncoder
from harness.encoders.text import MARKER, DocumentEncoder, EncodedDocument
from harness.errors import InputError
from harness.training.config import TrainingConfig
from harness.training.swapping import Swapping
from harness.types import Document


def training_collator(
    task: Task,
    config: TrainingConfig,
    collator: Collator,
    encoder: DocumentEncoder | PlainDocumentEncoder,
    documents: Sequence[Document],
    relations: int,
) -> Collate:
    """The collator with what the configuration adds to it; ``documents`` and the first ``relations`` are trained on."""
    collate: Collate = collator
    if task == "glidre":
        collate = LabelSampler(collator, config.label_count, relations)
    if config.masked_subwords:
        collate = Masking(collate, collator.tokenizer, config.masked_subwords)
    if config.swapped_entities:
        collate = Swapping(collate, encoder.encode, documents, config.swapped_entities)
    return collate


class Masking:
    """A collator whose batches have ``share`` of their subwords replaced by the mask token, drawn anew each time.

    Markers, special tokens and padding stay. The draw comes from torch's generator, so that a training that
    resumes after a kill has the same draws.
    """

    def __init__(
        self,
        collate: Collate,
        tokenizer: PreTrainedTokenizerBase,
        share: float,
    ) -> None:
        """Raises InputError for a tokenizer without a mask token."""
        if tokenizer.mask_token_id is None:
            raise InputError(f"-O masked_subwords={share}: the encoder's tokenizer has no mask token; leave it at 0")
        self._collate = collate
        self._share = share
        self._mask = int(tokenizer.mask_token_id)
        marker = tokenizer([MARKER], is_split_into_words=True, add_special_tokens=False)["input_ids"]
        self._kept = torch.tensor([*tokenizer.all_special_ids, *marker])

    def __call__(self, documents: Sequence[EncodedDocument]) -> Batch:
        return self.masked(self._collate(documents))

    def masked(self, batch: Batch) -> Batch:
        """The batch with other subwords hidden."""
        hidden = torch.rand(batch.input_ids.shape) < self._share
        hidden &= ~torch.isin(batch.input_ids, self._kept)
        return replace(batch, input_ids=batch.input_ids.masked_fill(hidden, self._mask))
