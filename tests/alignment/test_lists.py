"""Listed names become relation ids and entity indices, and how they were matched is counted."""

from __future__ import annotations

from harness.alignment.entities import EntityMapper
from harness.alignment.lists import align_entities, align_relations
from harness.alignment.relations import RelationMapper
from harness.types import Reject
from tests.documents import SCHEMA, document


def test_relations_are_found_by_name_id_and_normalised_name() -> None:
    aligned = align_relations(["country", "P36", "Capital", "loves"], RelationMapper(SCHEMA))
    assert aligned.found == ("P17", "P36")
    assert aligned.rejects == (Reject("unknown_relation", "loves"),)
    assert aligned.matches == {"merged_item": 1, "normalised_relation": 1}


def test_entities_are_found_by_id_and_by_any_name() -> None:
    text = document("Rome Romes Rome", [[(0, 0, 1, "LOC")], [(0, 1, 2, "LOC")], [(0, 2, 3, "PER")]])
    aligned = align_entities(["E2", "ROMES", "Rome", "Paris", "E9"], EntityMapper(text, by_id=True))
    assert aligned.found == (1, 0)
    assert aligned.rejects == (Reject("unknown_entity", "Paris"), Reject("unknown_entity", "E9"))
    assert aligned.matches == {"normalised_entity": 1, "merged_item": 1, "ambiguous_entity": 1}
