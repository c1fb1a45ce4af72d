"""A trained encoder as the teacher of another: its scores on the training documents, learned beside the labels.

An ensemble's scores say more of a pair than its labels do, which are there or not, and a single student can learn
them (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, https://arxiv.org/abs/1503.02531).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.encoders.config import ModelConfig
from harness.encoders.ensemble import pair_scorer
from harness.encoders.glidre_config import GlidreConfig
from harness.encoders.text import EncodedDocument
from harness.errors import InputError
from harness.types import Document


class Teacher:
    """The encoder or ensemble in ``folder``, which scores the relations of the student ``config``."""

    def __init__(self, folder: Path, config: ModelConfig | GlidreConfig, *, bf16: bool) -> None:
        """Raises InputError if it scores other relations than the student, or the same in another order."""
        import torch

        precision = "bf16" if bf16 else "fp32"
        self._scorer = pair_scorer(folder, {"threads": str(torch.get_num_threads()), "precision": precision})
        if self._scorer.relations != config.relations:
            raise InputError(f"--teacher {folder}: it does not score the relations of the documents to train on")

    @property
    def identity(self) -> dict[str, Any]:
        """What, with the documents, decides the scores."""
        return dict(self._scorer.identity)

    def teach(self, encoded: Sequence[EncodedDocument], documents: Sequence[Document]) -> Iterator[EncodedDocument]:
        """The encoded documents with the teacher's scores on them, one after another: large teachers take minutes."""
        for one, scores in zip(encoded, self._scorer.score(documents), strict=True):
            yield replace(one, taught=scores.margins.astype("float16"))
