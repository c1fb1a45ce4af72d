"""The hash of a document's content: the same for the same text, however a file writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.datasets import load_dataset
from harness.datasets.content import HASH_BYTES, content_hash, content_pieces, is_mostly_in
from harness.types import Document
from tests.documents import document

TEXT = document("Zürich 's well-known ETH\nlies in Zürich .", [[(0, 0, 1, "LOC")], [(0, 3, 4, "ORG")]], [(1, "P17", 0)])


@pytest.mark.parametrize(
    "same",
    [
        replace(TEXT, title="Another title"),
        replace(TEXT, entities=(), labels=()),
        document("Zürich 's well - known ETH lies in Zürich .", []),
        document("Zürich's\nwell-known\nETH\nlies\nin\nZürich.", []),
        document("ZÜRICH ’s well–known eth\n \nlies in zürich .", []),
        document("Zu\u0308rich 's well\u00ad-known ＥＴＨ\nlies in Zu \u0308rich .", []),
    ],
    ids=["title", "annotation", "hyphens apart", "sentences", "case and dashes", "composition"],
)
def test_the_same_text_has_the_same_hash(same: Document) -> None:
    assert content_hash(same) == content_hash(TEXT)
    assert len(content_hash(same)) == HASH_BYTES


@pytest.mark.parametrize(
    "other",
    ["Zürich 's well-known ETH\nlies in Zurich .", "Zürich 's well-known ETH", "lies in Zürich .", "", "—", "2 + 3"],
)
def test_another_text_has_another_hash(other: str) -> None:
    assert content_hash(document(other, [])) != content_hash(TEXT)


@pytest.mark.parametrize(("one", "other"), [("की", "का"), ("東京 は", "京都 は"), ("—", "!"), ("3.14", "3.15")])
def test_every_script_counts(one: str, other: str) -> None:
    assert content_hash(document(one, [])) != content_hash(document(other, []))


LONG = list(load_dataset("sample").documents)


@pytest.mark.parametrize(
    "change",
    [
        lambda sentences: sentences[:-1],
        lambda sentences: sentences[::-1],
        lambda sentences: tuple((*sentence, "indeed") for sentence in sentences),
        lambda sentences: tuple(tuple(token.upper() for token in sentence) for sentence in sentences[1:]),
        lambda sentences: (*sentences, *LONG[1].sentences[:2]),
    ],
    ids=["a sentence less", "reversed", "a word more in each", "in capitals, a sentence less", "sentences of another"],
)
def test_a_text_that_was_changed_in_parts_is_recognised_by_its_pieces(change: Callable[[Any], Any]) -> None:
    known = content_pieces(LONG[0])
    changed = replace(LONG[0], sentences=change(LONG[0].sentences))
    assert content_hash(changed) != content_hash(LONG[0])
    assert is_mostly_in(content_pieces(changed), known)


def test_texts_of_one_corpus_are_told_apart_by_their_pieces() -> None:
    for number, one in enumerate(LONG):
        others = frozenset[int]().union(*(content_pieces(other) for other in LONG if other is not one))
        assert not is_mostly_in(content_pieces(one), others), number


def test_a_short_text_is_recognised_as_a_whole_only() -> None:
    assert not is_mostly_in(content_pieces(TEXT), content_pieces(TEXT))
    assert content_pieces(document("", [])) == frozenset()
