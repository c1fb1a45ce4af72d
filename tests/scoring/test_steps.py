"""The scores of each step: what was found, against what the labels hold."""

from __future__ import annotations

import pytest

from harness.scoring.counts import Counts, Scores
from harness.scoring.steps import Found, score_steps
from harness.types import Prediction, Triplet
from tests.documents import document

LOC = [[(0, 0, 1, "LOC")], [(0, 1, 2, "LOC")], [(0, 2, 3, "LOC")]]
DOCUMENTS = [
    document("A B C", LOC, [(0, "P17", 1), (0, "P17", 2), (1, "P36", 2)], title="one"),
    document("A B C", LOC, [(2, "P17", 0)], title="two"),
]
PREDICTIONS = {"one": (Prediction(Triplet(0, "P17", 1)), Prediction(Triplet(0, "P17", 1)))}


def test_relations_heads_and_facts_are_scored_each_by_itself() -> None:
    found = {
        "one": Found(frozenset({"P17", "P495"}), frozenset({("P17", 0), ("P17", 2), ("P495", 0)})),
        "two": Found(frozenset({"P17"}), frozenset()),
    }
    assert score_steps(DOCUMENTS, found, PREDICTIONS) == {
        "relations": Scores.of(Counts(2, 3, 3)),
        "heads": Scores.of(Counts(1, 3, 3)),
        "facts": Scores.of(Counts(1, 1, 4)),
    }


def test_a_document_without_an_answer_found_nothing() -> None:
    found = {"two": Found(frozenset({"P17"}), None)}
    scores = score_steps(DOCUMENTS, found, {})
    assert scores == {"relations": Scores.of(Counts(1, 1, 3)), "facts": Scores.of(Counts(0, 0, 4))}


@pytest.mark.parametrize(
    ("details", "found"),
    [
        ({"found": {"relations": ["P17"], "heads": [["P17", 0]]}}, Found(frozenset({"P17"}), frozenset({("P17", 0)}))),
        ({"found": {"relations": []}}, Found(frozenset(), None)),
        ({"found": {"heads": [["P17", 0]]}}, Found(None, frozenset({("P17", 0)}))),
        ({"repeated": 3}, None),
    ],
)
def test_what_was_found_is_read_from_the_details_of_an_extraction(
    details: dict[str, object], found: Found | None
) -> None:
    assert Found.of(details) == found
