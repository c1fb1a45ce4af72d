"""A trained encoder as the teacher of another: its scores and attention on the documents, learned beside the labels.

An ensemble's scores say more of a pair than its labels do, which are there or not, and a single student can learn
them (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, https://arxiv.org/abs/1503.02531). KD-DocRE
(Tan et al., Findings of ACL 2022) learns them on distant documents; DREEAM (Ma et al., EACL 2023) learns there where
the attention of its teacher lies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encoders.config import ModelConfig
from harness.encoders.ensemble import pair_scorer
from harness.encoders.glidre_config import GlidreConfig
from harness.encoders.text import EncodedDocument
from harness.errors import InputError
from harness.training.config import TrainingConfig
from harness.types import Document, PairScores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Teacher:
    """The encoder or ensemble in ``folder``, which scores the relations of the student ``config``."""

    def __init__(
        self, folder: Path, config: ModelConfig | GlidreConfig, training: TrainingConfig, *, bf16: bool
    ) -> None:
        """Raises InputError if it scores other relations than the student, or the same in another order."""
        import torch

        precision = "bf16" if bf16 else "fp32"
        self._scorer = pair_scorer(folder, {"threads": str(torch.get_num_threads()), "precision": precision})
        if self._scorer.relations != config.relations:
            raise InputError(f"--teacher {folder}: it does not score the relations of the documents to train on")
        self._folder = folder
        self._training = training

    @property
    def identity(self) -> dict[str, Any]:
        """What, with the documents, decides the scores."""
        return dict(self._scorer.identity)

    def teach(self, encoded: Sequence[EncodedDocument], documents: Sequence[Document]) -> Iterator[EncodedDocument]:
        """The encoded documents with what is to be learned on them, one after another: large teachers take minutes.

        A student that reasons goes over all pairs, and its teacher scores the candidates of the corpus: of the others,
        there is nothing to learn (no numbers, no attention).

        Raises InputError where the teacher's attention is to be learned, and it has none.
        """
        for one, scores in zip(encoded, self._scorer.score(documents), strict=True):
            # What has no weight is not kept: over distant documents it is gigabytes.
            taught = _in_rows(one, scores, scores.margins, math.nan) if self._training.teacher_weight else None
            attended = None
            if self._training.teacher_evidence_weight:
                attended = _in_rows(one, scores, self._attention(scores), 0.0)
            yield replace(one, taught=taught, attended=attended)

    def _attention(self, scores: PairScores) -> NDArray[np.floating]:
        import numpy as np

        if scores.sentences is not None:
            return scores.sentences
        if len(scores.pairs):
            raise InputError(
                f"--teacher {self._folder}: it has no attention of pairs to learn; leave out -O teacher_evidence_weight"
            )
        return np.zeros((0, 1))


def _in_rows(
    encoded: EncodedDocument, scores: PairScores, values: NDArray[np.floating], missing: float
) -> NDArray[np.float16]:
    """``values`` [scored pairs, columns] in the rows of the document's pairs, ``missing`` for pairs not scored."""
    import numpy as np

    placed = np.full((encoded.pair_count, values.shape[1]), missing, dtype=np.float16)
    placed[encoded.rows(*scores.pairs.T.astype(np.int64))] = values
    return placed
