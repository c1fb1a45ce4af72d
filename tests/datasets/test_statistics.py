"""The counts of Re-DocRED's dev split, and of small documents counted by hand."""

from __future__ import annotations

import pytest

from harness.datasets import load_dataset
from harness.datasets.statistics import statistics
from harness.types import Document, Entity, Label, Mention, Triplet
from tests.paths import cdr_dir, redocred_dir


def test_the_dev_split_of_redocred_has_the_published_counts() -> None:
    counts = statistics(load_dataset("redocred", "dev", redocred_dir()).documents)
    assert counts.candidate_pairs == 193_232
    assert counts.na_pairs == 179_870
    assert counts.related_pairs == 13_362
    assert counts.multi_relation_pairs == 3_651
    assert counts.triplets == 17_284
    assert (counts.intra_triplets, counts.inter_triplets) == (7_982, 9_302)
    assert (counts.documents, counts.mentions, counts.relations_used) == (500, 13_189, 95)
    assert (counts.shared_names, counts.documents_with_shared_names) == (23, 21)
    assert counts.longest_document == 481
    rounded = {key: round(value, 1) for key, value in counts.as_dict().items() if isinstance(value, float)}
    assert rounded == {
        "intra_share": 0.5,
        "sentences_per_document": 8.2,
        "words_per_document": 203.9,
        "entities_per_document": 19.4,
        "mentions_per_document": 26.4,
        "triplets_per_document": 34.6,
    }
    assert sum(counts.entity_types.values()) == counts.entities == 9_684
    assert sum(counts.triplets_per_relation.values()) == counts.triplets
    assert next(iter(counts.triplets_per_relation)) == "P131"


def test_cdr_has_one_relation_and_pairs_that_are_labelled_as_unrelated() -> None:
    dataset = load_dataset(str(cdr_dir() / "dev.json"))
    assert [relation.name for relation in dataset.schema.relations] == ["Chemical induces disease"]
    assert dataset.schema.none == ("NR",)
    counts = statistics(dataset.documents)
    assert (counts.documents, counts.triplets, counts.labelled_na_pairs) == (500, 997, 3_993)
    assert counts.triplets_per_relation == {"CID": 997}
    assert counts.entity_types == {"DISE": 1_830, "CHEM": 1_506}


def entity(*mentions: tuple[str, int]) -> Entity:
    return Entity(tuple(Mention(name, sent_id, 0, 1, "LOC") for name, sent_id in mentions))


def test_pairs_triplets_and_names_are_counted_as_defined() -> None:
    document = Document(
        title="Names",
        sentences=(("Lund",), ("Lund", "lund")),
        entities=(entity(("Lund", 0), ("the city", 1)), entity(("lund", 1)), entity(("Skåne", 0), ("Lund", 0))),
        labels=(
            Label(Triplet(0, "P17", 1)),
            Label(Triplet(0, "P17", 1), (0,)),
            Label(Triplet(0, "P131", 1)),
            Label(Triplet(1, "P17", 2)),
            Label(Triplet(2, "P17", 2)),
        ),
    )
    counts = statistics([document])
    assert counts.candidate_pairs == 6
    assert (counts.related_pairs, counts.na_pairs, counts.multi_relation_pairs) == (2, 4, 1)
    assert (counts.triplets, counts.intra_triplets) == (4, 3)
    assert counts.triplets_per_relation == {"P17": 3, "P131": 1}
    assert (counts.shared_names, counts.documents_with_shared_names) == (1, 1)


@pytest.mark.parametrize("documents", [[], [Document("Empty", (), ())]])
def test_an_empty_corpus_counts_to_zero(documents: list[Document]) -> None:
    counts = statistics(documents).as_dict()
    assert counts.pop("documents") == len(documents)
    assert not any(counts.values())
