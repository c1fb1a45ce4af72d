"""Inference-stage fusion: a pair is scored again where only its evidence sentences are left, and both scores count.

Xie et al., "Eider" (Findings of ACL 2022), and Ma et al., "DREEAM" (EACL 2023). The pairs of a document that have the
same evidence share a pseudo-document, which is scored as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from harness.datasets.excerpt import excerpt
from harness.encoders.scorer import rounded
from harness.errors import InputError
from harness.types import Document, PairScores

REACH = 4.0
"""A pair whose best relation scores further below NA is not scored again: no evidence makes up for that."""

DOCUMENTS_AT_ONCE = 64
"""Documents that are held until their pseudo-documents are scored."""

Score = Callable[[Iterable[Document]], Iterator[PairScores]]


@dataclass(frozen=True)
class PseudoDocument:
    """The evidence sentences of some pairs; ``document`` has these as its candidates, which stand in ``rows``."""

    document: Document
    rows: list[int]


def fused_scores(score: Score, documents: Iterable[Document], weight: float, threshold: float) -> Iterator[PairScores]:
    """The mean of the margins over NA in the document and, with that weight, in the evidence; NA scores ``threshold``.

    A pair without evidence, or out of reach, keeps its margins. Raises InputError where ``score`` tells of no evidence.
    """
    import numpy as np

    source = iter(documents)
    while some := list(islice(source, DOCUMENTS_AT_ONCE)):
        whole = list(score(some))
        pseudo = [pseudo_documents(*one) for one in zip(some, whole, strict=True)]
        again = score(one.document for several in pseudo for one in several)
        for first, several in zip(whole, pseudo, strict=True):
            margins = first.margins
            for one in several:
                margins[one.rows] = (margins[one.rows] + weight * next(again).margins) / (1 + weight)
            na = np.full((len(margins), 1), threshold)
            yield replace(first, scores=rounded(np.concatenate([margins, na], axis=1)))


def pseudo_documents(document: Document, scores: PairScores) -> list[PseudoDocument]:
    """The evidence sentences of the pairs within reach, with the first that names head or tail where none does.

    Evidence that is the whole document is left out.
    """
    if scores.sentences is None and len(scores.pairs):
        raise InputError(f"{document.title!r}: the encoder names no evidence, so that its scores cannot be fused")
    in_reach = sorted({*(scores.margins > -REACH).nonzero()[0].tolist()})
    rows_of: dict[tuple[int, ...], list[int]] = {}
    for row in in_reach:
        if evidence := set(scores.evidence(row)):
            for entity in scores.pairs[row]:
                named = {mention.sent_id for mention in document.entities[entity].mentions}
                evidence |= set() if evidence & named else {min(named)}
            rows_of.setdefault(tuple(sorted(evidence)), []).append(row)
    found = []
    for sentences, rows in rows_of.items():
        if len(sentences) < len(document.sentences):
            part, numbers = excerpt(document, sentences)
            place = {number: entity for entity, number in enumerate(numbers)}
            pairs = tuple((place[head], place[tail]) for head, tail in scores.pairs[rows].tolist())
            found.append(PseudoDocument(replace(part, candidates=pairs), rows))
    return found
