"""References map to entities: by id, exact name, normalised name, similar name; ambiguity is told."""

from __future__ import annotations

import pytest

from harness.alignment.entities import EntityMapper
from tests.documents import document

# E1 Paris (also "City of Light"), E2 France, E3 Paris the hero (twice as often), E4 Médecins|Sans, E5 Henry VIII
DOCUMENT = document(
    "Paris is in France .\nParis and Paris fight .\nCity of Light ( Médecins|Sans ) Henry VIII Henry VII",
    [
        [(0, 0, 1, "LOC"), (2, 0, 3, "LOC")],
        [(0, 3, 4, "LOC")],
        [(1, 0, 1, "PER"), (1, 2, 3, "PER")],
        [(2, 4, 5, "ORG")],
        [(2, 6, 8, "PER")],
        [(2, 8, 10, "PER")],
    ],
)
NAMES, IDS = EntityMapper(DOCUMENT, by_id=False), EntityMapper(DOCUMENT, by_id=True)


@pytest.mark.parametrize("reference", ["E2", "e2", " E2 ", "<E2>", "[E2]", "(E2)", "E2: France", "France"])
def test_ids_in_the_spellings_that_models_use(reference: str) -> None:
    match = IDS.find(reference)
    assert match is not None
    assert (match.entity, match.how) == (1, "exact")


@pytest.mark.parametrize("reference", ["E0", "E7", "E99", "E", "", "nobody"])
def test_an_id_that_does_not_exist_is_nothing(reference: str) -> None:
    assert IDS.find(reference) is None


@pytest.mark.parametrize(
    ("reference", "entity", "how"),
    [
        ("France", 1, "exact"),
        ("City of Light", 0, "exact"),
        ("city of light", 0, "normalised"),
        ('"France".', 1, "normalised"),
        ("MÉDECINS_SANS", 3, "normalised"),
        ("Medecins Sans", 3, "fuzzy"),
        ("Henry VIII", 4, "exact"),
        ("Henry VII", 5, "exact"),
    ],
)
def test_names_of_any_mention(reference: str, entity: int, how: str) -> None:
    match = NAMES.find(reference)
    assert match is not None
    assert (match.entity, match.how, match.ambiguous) == (entity, how, False)


def test_a_shared_name_goes_to_the_bearer_with_more_such_mentions_and_is_told() -> None:
    match = NAMES.find("Paris")
    assert match is not None
    assert (match.entity, match.ambiguous) == (2, True)


def test_the_entity_named_so_by_its_first_mention_wins_over_a_later_alias() -> None:
    shared = document(
        "Kent Clark Kent\nKent Kent", [[(0, 1, 2, "PER"), (0, 2, 3, "PER"), (1, 0, 1, "PER")], [(0, 0, 1, "LOC")]]
    )
    match = EntityMapper(shared, by_id=False).find("Kent")
    assert match is not None
    assert (match.entity, match.ambiguous) == (1, True)


def test_two_names_about_equally_similar_are_no_match() -> None:
    twins = document("Springfield-A Springfield-B", [[(0, 0, 1, "LOC")], [(0, 1, 2, "LOC")]])
    assert EntityMapper(twins, by_id=False).find("Springfield-C") is None


def test_a_dissimilar_name_is_no_match() -> None:
    assert NAMES.find("Germany") is None
