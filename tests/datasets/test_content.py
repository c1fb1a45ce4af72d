"""The hash of a document's content: the same for the same text, however a file writes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.datasets.content import HASH_BYTES, content_hash
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
