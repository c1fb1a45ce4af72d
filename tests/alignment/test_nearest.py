"""The nearest relation by the real MiniLM, the threshold, and the direction in which a string reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.alignment.embedding import Embedder
from harness.alignment.entities import EntityMapper
from harness.alignment.nearest import NearestRelations, Readings
from harness.alignment.relations import RelationAlignment, RelationMapper
from harness.alignment.triplets import align_triplets
from harness.datasets.registry import CORPORA, PACKAGE
from harness.datasets.relation_table import read_schema
from harness.prompting.wordings import load_relation_wordings
from harness.types import RawTriplet, Triplet
from tests.documents import document
from tests.minilm import minilm

SCHEMA = read_schema(PACKAGE / CORPORA["redocred"].packaged_relations)
STRINGS = yaml.safe_load((Path(__file__).parent / "relation_strings.yaml").read_text(encoding="utf-8"))
DOCUMENT = document("Ann works for Acme", [[(0, 0, 1, "PER")], [(0, 3, 4, "ORG")]])


@cache
def by_names() -> NearestRelations:
    wordings = load_relation_wordings()
    readings = [
        Readings(one.id, one.name, wordings[one.id].forward, wordings[one.id].inverse)
        if one.id in wordings
        else Readings(one.id, one.name)
        for one in SCHEMA.relations
    ]
    return NearestRelations(readings, minilm())


def mapper(theta: float) -> RelationMapper:
    return RelationMapper(SCHEMA, RelationAlignment(by_names(), theta))


class Recording:
    """The real model, and the batches it was asked for."""

    name = "recording"
    fingerprint = ""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.batches: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> Any:
        self.batches.append(list(texts))
        return self.embedder.embed(texts)


@pytest.mark.parametrize(
    ("written", "relation"),
    [
        ("is employed by", "P108"),
        ("Was born in", "P19"),
        ("citizen_of", "P27"),
        ("flows into", "P403"),
        ("author's", "P50"),
    ],
)
def test_what_lies_outside_the_schema_finds_its_nearest_relation(written: str, relation: str) -> None:
    assert mapper(0.3).find(written) == relation


def test_theta_is_the_least_cosine_that_is_kept() -> None:
    nearest = by_names().nearest("is employed by")
    assert nearest is not None
    assert mapper(nearest.cosine).find("is employed by") == "P108"
    assert mapper(nearest.cosine + 0.0001).find("is employed by") is None


def test_names_of_the_schema_are_never_aligned() -> None:
    assert all(mapper(1.0).find(one.name) == one.id for one in SCHEMA.relations)


@pytest.mark.parametrize("written", ["", " ", "-", "--", "None", "NONE", "…"])
def test_what_names_no_relation_is_never_aligned(written: str) -> None:
    assert mapper(0.0).find(written) is None
    assert by_names().nearest(written) is None


def test_strings_that_no_wording_lists_mostly_find_their_relation_and_direction() -> None:
    known = {text for one in load_relation_wordings().values() for text in (*one.forward, *one.inverse)}
    assert not known & {case["text"] for case in STRINGS}
    by_names().learn(case["text"] for case in STRINGS)
    found = [(case, by_names().nearest(case["text"])) for case in STRINGS]
    right = [(case["inverted"], nearest.inverted) for case, nearest in found if nearest[0] == case["relation"]]
    inverted = [marked for meant, marked in right if meant]
    forward = [marked for meant, marked in right if not meant]
    assert len(right) / len(STRINGS) > 0.8
    assert sum(inverted) / len(inverted) > 0.7
    assert sum(forward) / len(forward) < 0.2


def test_all_new_strings_of_a_document_are_embedded_in_one_batch() -> None:
    embedder = Recording(minilm())
    nearest = NearestRelations([Readings("P108", "employer"), Readings("P19", "place of birth")], embedder)
    nearest.learn(["works for", "Works_for", "born in", "-"])
    assert embedder.batches == [["works for", "born in"], ["employer", "place of birth"]]
    assert nearest.knows("works for")
    assert nearest.nearest("BORN IN") == nearest.nearest("born in")
    assert len(embedder.batches) == 2


async def test_a_mapper_learns_only_what_is_outside_the_schema() -> None:
    embedder = Recording(minilm())
    alignment = RelationAlignment(NearestRelations([Readings("P108", "employer")], embedder), 0.5)
    await RelationMapper(SCHEMA, alignment).learn(["employer", "country", "Country", "P17", "-"])
    assert embedder.batches == []
    await RelationMapper(SCHEMA, alignment).learn(["works for", "country"])
    assert embedder.batches[0] == ["works for"]
    await RelationMapper(SCHEMA).learn(["works for"])


def test_an_inverted_relation_is_marked_and_kept_as_it_was_stated() -> None:
    raw = [RawTriplet("E2", "employs", "E1"), RawTriplet("E1", "is employed by", "E2")]
    aligned = align_triplets(raw, EntityMapper(DOCUMENT, by_id=True), mapper(0.4))
    assert [prediction.triplet for prediction in aligned.predictions] == [Triplet(1, "P108", 0), Triplet(0, "P108", 1)]
    assert [decision.inverted for decision in aligned.decisions] == [True, False]
    assert aligned.matches == {"aligned_relation": 2, "inverted_relation": 1}


def test_every_decision_is_told_and_what_is_too_far_is_rejected() -> None:
    raw = [
        RawTriplet("E1", "employer", "E2"),
        RawTriplet("E1", "is employed by", "E2"),
        RawTriplet("E1", "walks the dog of", "E2"),
        RawTriplet("E1", "is employed by", "E1"),
        RawTriplet("E1", "-", "E2"),
        RawTriplet("E1", "is employed by", "E9"),
    ]
    aligned = align_triplets(raw, EntityMapper(DOCUMENT, by_id=True), mapper(0.5))
    assert [prediction.triplet for prediction in aligned.predictions] == [Triplet(0, "P108", 1)]
    assert [reject.reason for reject in aligned.rejects] == [
        "below_theta",
        "self_pair",
        "unknown_relation",
        "unknown_entity",
    ]
    assert aligned.matches == {"aligned_relation": 1, "merged_triplet": 1}
    told = [(decision.text, decision.kept, decision.head, decision.tail) for decision in aligned.decisions]
    assert told == [("is employed by", True, 0, 1), ("walks the dog of", False, 0, 1), ("is employed by", True, 0, 0)]


def test_every_wording_belongs_to_a_relation_of_the_schema_and_is_no_name_of_its_own() -> None:
    for relation, wordings in load_relation_wordings().items():
        name = SCHEMA.by_id[relation].name
        assert wordings.inverse, relation
        assert name not in (*wordings.forward, *wordings.inverse), relation
