"""Why a finished run cannot be ranked: whatever makes its score say less than that of others."""

from __future__ import annotations

from collections.abc import Iterator

from harness.datasets.registry import CORPORA
from harness.label_source import NOT_SCORED
from harness.records.question import PROPOSES_PAIRS
from harness.runs.failures import unanswered
from harness.runs.results import RunResult
from harness.runs.selection import choice_in_words
from harness.scoring.official import SCORER_VERSION

IN_EPISODES = "few-shot episodes: see its macro F1"


def reasons_not_ranked(result: RunResult, max_failed: float) -> Iterator[str]:
    """Each reason in words; none for a run that is ranked.

    ``max_failed`` is the share of documents without a full answer up to which a run is ranked.
    """
    documents, question = result.manifest.documents, result.manifest.question
    if not result.is_whole_split:
        how = ", ".join(filter(None, [choice_in_words(question.selection), question.part and f"part {question.part}"]))
        yield f"partial: {documents.asked} of {documents.in_split} documents{f' ({how})' if how else ''}"
    if not result.is_scored:
        yield NOT_SCORED
    if silver := result.label_source.silver:
        yield silver
    yield from result.knowing_documents()
    corpus = CORPORA.get(question.dataset.name)
    split = corpus and corpus.splits.get(question.dataset.split)
    if split and split.tests_unseen and _are_relations_uncounted(result):
        yield "whether the relations were trained on was not counted when this was run: `harness score` counts them"
    if split and split.in_episodes:
        yield IN_EPISODES
    if result.manifest.question.task == PROPOSES_PAIRS:
        yield "proposes pairs without relations: see its pair F1"
    if not documents.asked:
        yield "no document"
    elif result.failed_too_often(max_failed):
        yield unanswered(result.manifest)
    if result.metrics.scorer_version != SCORER_VERSION:
        yield f"scored by version {result.metrics.scorer_version} of the scorer: `harness score` it again"


def _are_relations_uncounted(result: RunResult) -> bool:
    encoder = result.manifest.encoder
    counted = [encoder.seen_documents if encoder else None, *(one.seen_documents for one in result.manifest.adapters)]
    return any(one is not None and one.relations_seen is None for one in counted)
