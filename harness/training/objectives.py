"""What a training minimises, and how the model that it has come to is judged on the choosing split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from harness.encoders.batching import Batch, Collator
from harness.encoders.inference import Inference
from harness.encoders.text import EncodedDocument
from harness.training.choosing import best_threshold, margins, scores_at
from harness.training.config import TrainingConfig
from harness.training.losses import training_loss

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Judged:
    """Scores on the choosing split (fractions): ``f1`` and its parts at ``threshold``, as in ``Epoch``."""

    precision: float
    recall: float
    f1: float
    f1_at_zero: float | None
    threshold: float
    mention_f1: float | None = None


class Objective(Protocol):
    """A kind of model to train."""

    @property
    def can_judge(self) -> bool:
        """Whether there are documents to choose by."""
        ...

    def loss(self, model: Any, batch: Any, accelerator: Accelerator) -> Tensor:
        """What is minimised, of one batch; ``model`` as the accelerator has prepared it."""
        ...

    def judge(self, model: Any, accelerator: Accelerator) -> Judged: ...


@dataclass(frozen=True)
class PairObjective:
    """Relations of entity pairs; ``collator`` makes batches of the documents to ``choose`` by.

    ``relations`` are the numbers of those that these documents are scored over; None: all.
    """

    collator: Collator
    config: TrainingConfig
    choose: Sequence[EncodedDocument]
    relations: tuple[int, ...] | None = None

    @property
    def can_judge(self) -> bool:
        return bool(self.choose)

    def loss(self, model: Any, batch: Batch, accelerator: Accelerator) -> Tensor:
        with accelerator.autocast():
            is_guided = self.config.evidence_weight > 0 or self.config.teacher_evidence_weight > 0
            output = model(batch, with_sentences=is_guided)
        return training_loss(output, batch, self.config)

    def judge(self, model: Any, accelerator: Accelerator) -> Judged:
        bf16 = accelerator.mixed_precision == "bf16"
        relation = None if self.relations is None else torch.tensor(self.relations)
        inference = Inference(model, self.collator, accelerator.device, bf16, relation=relation)
        scores = (
            document.of_candidates(found)
            for document, found in zip(self.choose, inference.scores(self.choose), strict=True)
        )
        labels = [(self._labels(one), one.scored_pairs, self._annotated(one)) for one in self.choose]
        above, gold = margins(labels, scores)
        threshold = best_threshold(above, gold) if self.config.choose_threshold else 0.0
        found, unshifted = scores_at(above, gold, threshold), scores_at(above, gold)
        return Judged(found.precision, found.recall, found.f1, unshifted.f1, threshold)

    def _annotated(self, document: EncodedDocument) -> np.ndarray | None:
        """Whether the document's labels tell of the columns of its scores; None where they tell of all."""
        if self.relations is None or document.annotated is None:
            return document.annotated
        return document.annotated[list(self.relations)]

    def _labels(self, document: EncodedDocument) -> np.ndarray:
        """The labels of a document, whose relations are the columns of its scores."""
        if self.relations is None:
            return document.labels
        column = np.full(self.collator.relations, -1)
        column[list(self.relations)] = np.arange(len(self.relations))
        head, tail, relation = document.labels.T
        return np.stack([head, tail, column[relation]], axis=1)
