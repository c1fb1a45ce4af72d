"""AutoRE's metric over strings."""

from __future__ import annotations

import json

import pytest

from harness.errors import InputError
from harness.scoring.surface import SurfaceScores, as_strings, score_surface
from harness.types import (
    Document,
    Entity,
    Label,
    Mention,
    Prediction,
    RawTriplet,
    Relation,
    RelationSchema,
    Triplet,
)
from tests.paths import redocred_dir
from tests.scoring.build import documents_from

SCHEMA = RelationSchema((Relation("P17", "country"), Relation("P26", "spouse")))


def entity(*names: str) -> Entity:
    return Entity(tuple(Mention(name, 0, 0, 1, "PER") for name in names))


# Two gold triplets; entities 2 and 3 are different people with one name, 4 is in no triplet.
DOCUMENT = Document(
    "Oslo",
    (),
    (
        entity("Oslo", "the capital"),
        entity("Norway", "Kingdom of Norway"),
        entity("Kari"),
        entity("Kari"),
        entity("X"),
    ),
    (Label(Triplet(0, "P17", 1)), Label(Triplet(2, "P26", 3))),
)


def scored(*triplets: tuple[str, str, str], title: str = "Oslo", schema: RelationSchema | None = None) -> SurfaceScores:
    return score_surface([DOCUMENT], {title: [RawTriplet(*triplet) for triplet in triplets]}, schema)


def test_any_mention_name_of_the_gold_entities_is_right() -> None:
    scores = scored(("the capital", "P17", "Kingdom of Norway"))
    assert (scores.right, scores.predicted, scores.found, scores.gold) == (1, 1, 1, 2)
    assert (scores.precision, scores.recall) == (1.0, 0.5)
    assert scores.f1 == pytest.approx(2 / 3)


def test_a_gold_triplet_written_in_two_ways_is_found_once() -> None:
    scores = scored(("Oslo", "P17", "Norway"), ("the capital", "P17", "Norway"))
    assert (scores.right, scores.predicted, scores.found) == (2, 2, 1)
    assert (scores.precision, scores.recall) == (1.0, 0.5)


def test_identical_strings_count_once_whether_relation_is_given_by_id_or_name() -> None:
    scores = scored(("Oslo", "P17", "Norway"), ("Oslo", "country", "Norway"), schema=SCHEMA)
    assert (scores.right, scores.predicted) == (1, 1)


@pytest.mark.parametrize(
    "triplet",
    [
        ("Norway", "P17", "Oslo"),
        ("Oslo", "P26", "Norway"),
        ("Oslo", "P17", "X"),
        ("oslo", "P17", "Norway"),
        ("Oslo", "country", "Norway"),
        ("", "P17", ""),
    ],
    ids=["swapped", "relation", "entity", "case", "name without a schema", "empty"],
)
def test_anything_else_is_wrong(triplet: tuple[str, str, str]) -> None:
    scores = scored(triplet)
    assert (scores.right, scores.predicted, scores.found) == (0, 1, 0)


def test_predictions_for_an_unknown_title_lower_precision() -> None:
    scores = scored(("Oslo", "P17", "Norway"), title="Bergen")
    assert (scores.right, scores.predicted, scores.gold) == (0, 1, 2)


def test_a_string_that_fits_two_gold_triplets_finds_both() -> None:
    twins = Document(
        "Twins",
        (),
        (entity("Kari"), entity("Kari"), entity("Norway")),
        (Label(Triplet(0, "P17", 2)), Label(Triplet(1, "P17", 2))),
    )
    scores = score_surface([twins], {"Twins": [RawTriplet("Kari", "P17", "Norway")]})
    assert (scores.right, scores.predicted, scores.found, scores.gold) == (1, 1, 2, 2)
    assert scores.f1 == 1.0


def test_no_predictions_score_zero() -> None:
    assert score_surface([DOCUMENT], {}).f1 == 0.0
    assert score_surface([], {}).f1 == 0.0


def test_two_documents_with_one_title_are_refused() -> None:
    with pytest.raises(InputError, match="two documents are titled 'Oslo'"):
        score_surface([DOCUMENT, DOCUMENT], {})


def test_scores_carry_names_that_no_official_metric_has() -> None:
    assert set(scored().as_dict()) == {
        f"surface_{name}" for name in ("precision", "recall", "f1", "right", "predicted", "found", "gold")
    }


def test_index_predictions_become_first_names_and_bad_indices_fit_nothing() -> None:
    triplets = [Triplet(0, "P17", 1), Triplet(0, "P17", 99), Triplet(-1, "P17", 1)]
    strings = as_strings(DOCUMENT, [Prediction(triplet) for triplet in triplets])
    assert strings == [("Oslo", "P17", "Norway"), ("Oslo", "P17", ""), ("", "P17", "Norway")]
    assert score_surface([DOCUMENT], {"Oslo": strings}).right == 1


def test_gold_names_that_are_empty_are_never_matched() -> None:
    document = Document("t", (), (entity(""), entity("B")), (Label(Triplet(0, "P26", 1)),))
    assert score_surface([document], {"t": [RawTriplet("", "P26", "B")]}).right == 0


def test_all_gold_labels_of_dev_as_strings_score_one() -> None:
    corpus = json.loads((redocred_dir() / "dev_revised.json").read_text())
    documents = list(documents_from(corpus))
    strings = {
        document.title: as_strings(document, [Prediction(label.triplet) for label in document.labels])
        for document in documents
    }
    scores = score_surface(documents, strings)
    assert (scores.precision, scores.recall, scores.found) == (1.0, 1.0, 17_284)
