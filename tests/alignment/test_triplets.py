"""Every raw triplet becomes a prediction or a reject with its reason."""

from __future__ import annotations

import pytest

from harness.alignment.entities import EntityMapper
from harness.alignment.relations import RelationMapper
from harness.alignment.triplets import align_triplets
from harness.types import RawTriplet, Relation, RelationSchema, Triplet
from tests.documents import SCHEMA, document
from tests.paths import redocred_dir

DOCUMENT = document("Oslo in Norway", [[(0, 0, 1, "LOC")], [(0, 2, 3, "LOC")]])
MAPPERS = EntityMapper(DOCUMENT, by_id=True), RelationMapper(SCHEMA)


@pytest.mark.parametrize(
    ("written", "relation"),
    [
        ("country", "P17"),
        ("Country", "P17"),
        ("P17", "P17"),
        ("country_of_origin", "P495"),
        ("COUNTRY OF ORIGIN", "P495"),
    ],
)
def test_relations_by_name_id_and_normal_form(written: str, relation: str) -> None:
    assert RelationMapper(SCHEMA).find(written) == relation


@pytest.mark.parametrize("written", ["", "-", "countries", "nation", "P99"])
def test_a_relation_outside_the_schema_is_nothing(written: str) -> None:
    assert RelationMapper(SCHEMA).find(written) is None


def test_the_first_of_two_relations_with_one_normal_form_wins() -> None:
    schema = RelationSchema((Relation("a", "part of"), Relation("b", "Part-of")))
    assert RelationMapper(schema).find("PART OF") == "a"
    assert RelationMapper(schema).find("Part-of") == "b"


def test_redocreds_names_stay_distinct_when_normalised() -> None:
    from harness.alignment.normalise import normalise
    from harness.datasets.relation_table import read_schema

    schema = read_schema(redocred_dir() / "rel_info.json")
    assert len({normalise(relation.name) for relation in schema.relations}) == 96


def test_each_reject_has_its_reason_and_nothing_is_lost() -> None:
    raw = [
        RawTriplet("E1", "country", "E2"),
        RawTriplet("E1", "country", "E9"),
        RawTriplet("nobody", "country", "E2"),
        RawTriplet("E1", "loves", "E2"),
        RawTriplet("E1", "country", "E1"),
        RawTriplet("Oslo", "Country", "E2"),
    ]
    aligned = align_triplets(raw, *MAPPERS)
    assert [prediction.triplet for prediction in aligned.predictions] == [Triplet(0, "P17", 1)]
    assert [reject.reason for reject in aligned.rejects] == [
        "unknown_entity",
        "unknown_entity",
        "unknown_relation",
        "self_pair",
    ]
    assert aligned.rejects[0].text == "(E1 | country | E9)"
    assert aligned.matches == {"merged_triplet": 1, "normalised_relation": 1}
