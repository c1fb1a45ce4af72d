"""The candidates of a prompt that ranks triplets or pairs, as pair scores: its run proposes pairs as an encoder's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness.encoders.scores import PAIR_SCORES, score_writer
from harness.encoders.seen import Role
from harness.methods.candidates import AllPairs
from harness.methods.questions import LEAST, LOWEST_KEPT
from harness.methods.table import method_kind
from harness.runs.plan import Experiment
from harness.store import DocumentRecord, RunFolder
from harness.types import RELATED, Document, PairScores

Write = Callable[[Document, DocumentRecord], None]


@contextmanager
def candidate_writer(folder: RunFolder, experiment: Experiment) -> Iterator[Write]:
    """What writes the pair scores of each document, where the prompt ranks candidates; else it does nothing."""
    settings = experiment.settings
    kind = method_kind(settings.variant)
    # Pairs of entities that were found are no pairs of the labels: nobody else could read their scores.
    if not kind.ranks_candidates or experiment.entities:
        yield lambda _document, _record: None
        return
    relations = (RELATED,) if kind.proposes_pairs else tuple(one.id for one in settings.schema.relations)
    least = int(settings.options[LEAST]) / 100
    with score_writer(folder.path / PAIR_SCORES, relations) as writer:

        def write(document: Document, record: DocumentRecord) -> None:
            listed = record.details.get("candidates")
            candidates = listed if isinstance(listed, list) else []
            # As for every LLM's run, what the model was trained on is not known, and no label was shown.
            writer.write(pair_scores(document, candidates, relations, least), (document, Role.NOT_SEEN))

        yield write


def pair_scores(
    document: Document, candidates: Sequence[Sequence[Any]], relations: tuple[str, ...], least: float
) -> PairScores:
    """The log odds of every candidate's score for all ordered pairs of a document, and those of ``least`` for NA.

    ``candidates`` are head, relation id, tail and score (0 to 1); what is not among them has a score below all of them.
    The pairs are the candidate pairs of the corpus, where it has any: what a model lists beyond them has no score.
    """
    import numpy as np

    pairs = AllPairs().pairs(document)
    rows, columns = {pair: row for row, pair in enumerate(pairs)}, {one: column for column, one in enumerate(relations)}
    scores = np.full((len(pairs), len(relations) + 1), _log_odds(LOWEST_KEPT / 2), dtype=np.float32)
    scores[:, -1] = _log_odds(least)
    for head, relation, tail, score in candidates:
        if (row := rows.get((head, tail))) is not None:
            scores[row, columns[relation]] = _log_odds(score)
    return PairScores(document.title, relations, np.array(pairs, dtype=np.int32).reshape(-1, 2), scores)


def _log_odds(score: float) -> float:
    bounded = min(max(score, 1e-4), 1 - 1e-4)
    return math.log(bounded / (1 - bounded))
