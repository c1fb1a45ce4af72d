"""Inference-stage fusion: pairs are scored again where only evidence sentences are left, and both scores count.

Xie et al., "Eider" (Findings of ACL 2022), and Ma et al., "DREEAM" (EACL 2023). The pairs of a document that have the
same evidence share a pseudo-document, which is scored as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from harness.datasets.excerpt import excerpt
from harness.encoders.scorer import rounded
from harness.errors import InputError
from harness.types import Document, PairScores

REACH = 4.0
"""Evidence of a pair whose best relation scores further below NA makes no pseudo-document: two thirds are saved."""

DOCUMENTS_AT_ONCE = 64
"""Documents that are held until their pseudo-documents are scored."""

PseudoDocument = tuple[Document, tuple[int, ...]]
"""The evidence sentences of a pair as a document, and the numbers of its entities in the whole one."""


def fused_scores(
    score: Callable[[Iterable[Document]], Iterator[PairScores]],
    documents: Iterable[Document],
    weight: float,
    threshold: float,
) -> Iterator[PairScores]:
    """The mean of the margins over NA in the document and, with that weight, in evidence; NA scores ``threshold``.

    In evidence, a margin is the highest over the pseudo-documents that name head and tail, as in DREEAM's public code;
    a pair that none names keeps its own. Raises InputError where ``score`` tells of no evidence.
    """
    import numpy as np

    source = iter(documents)
    while some := list(islice(source, DOCUMENTS_AT_ONCE)):
        whole = list(score(some))
        pseudo = [pseudo_documents(*one) for one in zip(some, whole, strict=True)]
        again = score(part for parts in pseudo for part, _ in parts)
        for first, parts in zip(whole, pseudo, strict=True):
            margins = first.margins
            row_of = {(head, tail): row for row, (head, tail) in enumerate(first.pairs.tolist())}
            in_evidence = np.full_like(margins, -np.inf)
            for _, numbers in parts:
                found = next(again)
                rows = np.array([row_of.get((numbers[head], numbers[tail]), -1) for head, tail in found.pairs.tolist()])
                known = rows >= 0
                in_evidence[rows[known]] = np.maximum(in_evidence[rows[known]], found.margins[known])
            fused = (margins + weight * in_evidence) / (1 + weight)
            fused = np.where(np.isneginf(in_evidence), margins, fused)
            na = np.full((len(margins), 1), threshold)
            yield replace(first, scores=rounded(np.concatenate([fused, na], axis=1)))


def pseudo_documents(document: Document, scores: PairScores) -> list[PseudoDocument]:
    """The evidence of each pair within reach, with the first sentence that names head or tail where none does.

    Evidence that is the whole document is left out.
    """
    if scores.sentences is None and len(scores.pairs):
        raise InputError(f"{document.title!r}: the encoder names no evidence, so that its scores cannot be fused")
    groups: dict[tuple[int, ...], None] = {}
    for row in sorted({*(scores.margins > -REACH).nonzero()[0].tolist()}):
        if evidence := set(scores.evidence(row)):
            for entity in scores.pairs[row]:
                named = {mention.sent_id for mention in document.entities[entity].mentions}
                evidence |= set() if evidence & named else {min(named)}
            groups[tuple(sorted(evidence))] = None
    return [excerpt(document, sentences) for sentences in groups if len(sentences) < len(document.sentences)]
