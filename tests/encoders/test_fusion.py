"""Fusion: which sentences a pair is scored in again, and what becomes of both scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from harness.encoders.fusion import fused_scores, pseudo_documents
from harness.errors import InputError
from harness.types import Document, Entity, Mention, PairScores

RELATIONS = ("P17", "P36")


def mention(name: str, sentence: int, start: int) -> Mention:
    return Mention(name, sentence, start, start + 1, "LOC")


DOCUMENT = Document(
    "T",
    (("Bern", "is", "a", "city", "."), ("Rain", "falls", "."), ("It", "is", "in", "Switzerland", "near", "Thun", ".")),
    (
        Entity((mention("Bern", 0, 0), mention("It", 2, 0))),
        Entity((mention("Switzerland", 2, 3),)),
        Entity((mention("Thun", 2, 5),)),
    ),
)
PAIRS = np.array([(0, 1), (0, 2), (1, 2), (2, 1)])
SENTENCES = np.array([[0.1, 0.1, 0.8], [0.7, 0.1, 0.2], [0.3, 0.3, 0.4], [0.1, 0.0, 0.9]])


def scores(margins: list[list[float]]) -> PairScores:
    values = np.concatenate([np.array(margins), np.zeros((len(margins), 1))], axis=1)
    return PairScores("T", RELATIONS, PAIRS, values, SENTENCES)


def test_pairs_of_the_same_evidence_share_a_document_of_these_sentences() -> None:
    first, second = pseudo_documents(DOCUMENT, scores([[2, -9], [1, -9], [0, 0], [-3, -9]]))
    assert first[0].sentences == (DOCUMENT.sentences[2],)
    assert [entity.names for entity in first[0].entities] == [("It",), ("Switzerland",), ("Thun",)]
    # Thun is not in the evidence: the first sentence that names it is added.
    assert second[0].sentences == (DOCUMENT.sentences[0], DOCUMENT.sentences[2])
    assert [one.sent_id for one in second[0].entities[0].mentions] == [0, 1]
    assert second[1] == (0, 1, 2)


def test_what_is_out_of_reach_or_has_all_sentences_makes_no_document() -> None:
    assert not pseudo_documents(DOCUMENT, scores([[-9, -9], [-9, -9], [5, 5], [-5, -4.5]]))


def test_the_highest_margin_in_evidence_counts_and_other_pairs_keep_theirs() -> None:
    def score(documents: Iterable[Document]) -> Iterator[PairScores]:
        for number, document in enumerate(documents):
            if document is DOCUMENT:
                yield scores([[2, -1], [1, -9], [1, 1], [-1, -2]])
            else:
                pairs = np.array([(0, 1), (1, 0)] if number else [(0, 1), (0, 2)])
                yield PairScores("T", RELATIONS, pairs, np.array([[5.0 - number, 2.0, 1.0]] * 2))

    (found,) = fused_scores(score, [DOCUMENT], 0.5, 0.25)
    wanted = [[8 / 3, -1 / 3], [2, -17 / 3], [1, 1], [-1, -2]]
    np.testing.assert_allclose(found.scores[:, :-1], wanted, atol=1e-2)
    np.testing.assert_allclose(found.scores[:, -1], 0.25)
    assert found.predictions()[0].evidence == (2,)


def test_scores_without_evidence_cannot_be_fused() -> None:
    bare = PairScores("T", RELATIONS, PAIRS, np.zeros((4, 3)))
    with pytest.raises(InputError, match="'T': the encoder names no evidence"):
        pseudo_documents(DOCUMENT, bare)
    assert pseudo_documents(DOCUMENT, PairScores("T", RELATIONS, PAIRS[:0], np.zeros((0, 3)))) == []
