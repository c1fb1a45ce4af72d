"""Scoring documents with a model: batches of like length, results in the order of the documents."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.encoders.batching import Collator, batches_by_length
from harness.encoders.pair_model import PairModel
from harness.encoders.text import EncodedDocument

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

BATCH_TOKENS, BATCH_PAIRS = 2048, 4096
"""Subwords and cells of pair matrices in one batch, padding included: they fill a processor's cores."""

GPU_FACTOR = 16
"""How much more a GPU takes at once."""

BATCH_SCORES = 2**24
"""Scores in one batch, over all relations of all its cells: label sets can be large."""


class Scored(NamedTuple):
    """What a model makes of a document: float32, a row for each of its pairs."""

    scores: np.ndarray
    """[pairs, relations + 1], NA last."""
    sentences: np.ndarray | None
    """[pairs, sentences]: the shares of each pair's attention; columns of zeros may follow the document's own."""


@dataclass(frozen=True)
class Inference:
    """A model ready to score: where it runs, and whether matrix products are in bfloat16.

    Where documents are scored ``one_by_one``, no score depends on the documents beside it, not even in its last digit.
    """

    model: PairModel
    collator: Collator
    device: torch.device
    bf16: bool
    one_by_one: bool = False
    relation: Tensor | None = None
    """The relations to score, by their numbers; None: all."""

    def scores(self, documents: Iterable[EncodedDocument]) -> Iterator[np.ndarray]:
        """For each document in turn its scores, see ``scored``."""
        return (one.scores for one in self.scored(documents))

    def scored(self, documents: Iterable[EncodedDocument], *, with_sentences: bool = False) -> Iterator[Scored]:
        """For each document in turn what the model makes of it, ``with_sentences`` where its pairs' attention lies.

        Pairs are those of the document, by default all h != t in row-major order. The configured threshold is added to
        NA.
        """
        import numpy as np

        waiting: list[tuple[int, Scored]] = []
        due = 0
        factor = 1 if self.device.type == "cpu" else GPU_FACTOR
        width = (len(self.model.config.relations) if self.relation is None else len(self.relation)) + 1
        most_pairs = min(factor * BATCH_PAIRS, factor * BATCH_SCORES // width)
        self.model.begin_scoring()
        most_tokens = 1 if self.one_by_one else factor * BATCH_TOKENS
        for batch in batches_by_length(documents, most_tokens, most_pairs):
            with_pairs = [document for _, document in batch if document.pair_count]
            parts = iter(self._batch(with_pairs, with_sentences) if with_pairs else ())
            for place, document in batch:
                none = Scored(np.zeros((0, width), dtype=np.float32), None)
                heapq.heappush(waiting, (place, next(parts) if document.pair_count else none))
            while waiting and waiting[0][0] == due:
                yield heapq.heappop(waiting)[1]
                due += 1

    def _batch(self, documents: list[EncodedDocument], with_sentences: bool) -> list[Scored]:
        import numpy as np
        import torch

        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            output = self.model(self.collator(documents, self.relation).to(self.device), with_sentences=with_sentences)
            logits = output.logits.float()
            logits[:, -1] += self.model.config.threshold
        ends = np.cumsum([document.pair_count for document in documents])[:-1]
        scores = np.split(logits.cpu().numpy(), ends)
        if output.sentences is None:
            return [Scored(one, None) for one in scores]
        return [Scored(*both) for both in zip(scores, np.split(output.sentences.cpu().numpy(), ends), strict=True)]
