"""What training and scoring ask of a model over an encoder, and of one of entity pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from harness.encoders.batching import Batch
from harness.encoders.config import ModelConfig
from harness.encoders.entities.config import EntityConfig
from harness.encoders.glidre_config import GlidreConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Output:
    """``logits`` [p, relations + 1], NA last; ``sentences`` [p, sentences]: each pair's attention over them."""

    logits: Tensor
    sentences: Tensor | None = None


class EncoderModel(nn.Module):
    """A model on top of an ``encoder`` that reads documents."""

    config: ModelConfig | GlidreConfig | EntityConfig
    encoder: PreTrainedModel


class PairModel(EncoderModel, ABC):
    """Scores all ordered pairs of different entities of a batch, whose documents ``encoder`` reads."""

    config: ModelConfig | GlidreConfig
    of_relations: tuple[str, ...] = ()
    """How the names of the weights begin that hold a row for each relation of the configuration."""

    @abstractmethod
    def forward(self, batch: Batch, *, with_sentences: bool = False) -> Output:
        """The scores of a batch's pairs; ``with_sentences`` adds where their attention lies."""

    def begin_scoring(self) -> None:
        """Prepare for scoring documents with weights that do not change meanwhile."""
        self.eval()
