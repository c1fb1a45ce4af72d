"""What became of a run's triplets: lost ones are told apart, and precision and recall follow the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from harness.alignment.decisions import RelationDecision, as_details
from harness.report.analysis import Examiner, RunAnalysis, precision_recall
from harness.store import DocumentRecord
from harness.types import Prediction, Triplet
from tests.documents import SCHEMA, document

GOLD = document(
    "Oslo is the capital of Norway",
    [[(0, 0, 1, "LOC")], [(0, 5, 6, "LOC")]],
    [(0, "P17", 1), (1, "P36", 0)],
)
EXAMINER = Examiner(GOLD, SCHEMA)


def record(
    predictions: Sequence[Prediction] = (),
    rejects: Sequence[tuple[str, str]] = (),
    details: Mapping[str, object] | None = None,
) -> DocumentRecord:
    told = tuple({"reason": reason, "text": text} for reason, text in rejects)
    return DocumentRecord("Title", "ok", "", tuple(predictions), told, details or {}, (), 1, 0.0)


@pytest.mark.parametrize(
    ("by_id", "text", "kind"),
    [
        (True, "(E1 | country | E7)", "entity_mapping"),
        (True, "(E1 | P17 | Kingdom of Norway)", "entity_mapping"),
        (False, "(Oslo | country | Sweden)", "entity_mapping"),
        (True, "(E1 | capital | E7)", "missed_pair"),
        (True, "(E9 | country | E7)", "missed_pair"),
        (True, "E1 country E7", "missed_pair"),
    ],
)
def test_an_entity_that_was_not_found_explains_the_triplet_it_was_said_of(by_id: bool, text: str, kind: str) -> None:
    mistakes = EXAMINER.mistakes(record(rejects=[("unknown_entity", text)]), by_id)
    assert mistakes.missed == {Triplet(0, "P17", 1): kind, Triplet(1, "P36", 0): "missed_pair"}


def test_a_relation_that_alignment_dropped_explains_the_pair_it_was_said_of() -> None:
    dropped = RelationDecision("lies within", "P36", 0.2, kept=False, inverted=False, head=0, tail=1)
    kept = RelationDecision("seat of", "P36", 0.9, kept=True, inverted=False, head=1, tail=0)
    mistakes = EXAMINER.mistakes(record(details=as_details([dropped, kept])), by_id=True)
    assert mistakes.missed == {Triplet(0, "P17", 1): "alignment_drop", Triplet(1, "P36", 0): "missed_pair"}


def test_a_run_adds_up_its_documents() -> None:
    analysis = RunAnalysis()
    right, wrong = Prediction(Triplet(0, "P17", 1), score=0.9), Prediction(Triplet(1, "P17", 0), score=0.4)
    for number in range(2):
        made = record([right, wrong, wrong])
        analysis.add(number, made, EXAMINER.mistakes(made, by_id=True))
    assert analysis.wrong == {"wrong_direction": 2}
    assert analysis.missed == {"wrong_relation": 2}
    assert analysis.confused == {("P36", "P17"): 2}
    assert analysis.gold == 4
    assert sorted(analysis.scored) == [(0.4, False), (0.4, False), (0.9, True), (0.9, True)]
    assert [row.as_json()[:4] for row in analysis.rows] == [[0, "Title", "ok", 1], [1, "Title", "ok", 1]]


def test_precision_and_recall_at_every_distinct_score() -> None:
    scored = [(0.5, True), (0.9, True), (0.5, False), (0.1, False)]
    assert precision_recall(scored, gold=4) == [(0.25, 1.0, 0.9), (0.5, 2 / 3, 0.5), (0.5, 0.5, 0.1)]
    assert precision_recall([], gold=4) == []
