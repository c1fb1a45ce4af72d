"""Relation names as the label encoder's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.encoders.backbone import load_tokenizer

if TYPE_CHECKING:
    from torch import Tensor

LABEL_TOKENS = 128
"""Longer names are cut, special tokens included."""


def read_label_names(encoder: str, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Token ids and their mask, both [names, tokens], special tokens included."""
    import torch

    encoding = load_tokenizer(encoder)(list(names), padding=True, truncation=True, max_length=LABEL_TOKENS)
    return torch.tensor(encoding["input_ids"]), torch.tensor(encoding["attention_mask"])
