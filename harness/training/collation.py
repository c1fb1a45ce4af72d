"""How training batches differ from those that are scored: labels drawn, words hidden, entities with other names."""

from __future__ import annotations

from collections.abc import Sequence

from harness.encoders.batching import Collate, Collator, LabelSampler
from harness.encoders.config import Task
from harness.encoders.plain_text import PlainDocumentEncoder
from harness.encoders.text import DocumentEncoder
from harness.training.config import TrainingConfig
from harness.training.masking import Masking
from harness.training.swapping import Swapping
from harness.types import Document


def training_collator(
    task: Task,
    config: TrainingConfig,
    collator: Collator,
    encoder: DocumentEncoder | PlainDocumentEncoder,
    documents: Sequence[Document],
) -> Collate:
    """The collator with what the configuration adds to it; ``documents`` are those to train on."""
    collate: Collate = collator
    if task == "glidre":
        collate = LabelSampler(collator, config.label_count)
    if config.masked_subwords:
        collate = Masking(collate, collator.tokenizer, config.masked_subwords)
    if config.swapped_entities:
        collate = Swapping(collate, encoder.encode, documents, config.swapped_entities)
    return collate
