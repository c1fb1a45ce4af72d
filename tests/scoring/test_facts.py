"""The facts of a training file, by mention names."""

from __future__ import annotations

from harness.scoring.official import facts_in_train
from harness.types import Document, Entity, Label, Mention, Triplet


def entity(*names: str) -> Entity:
    return Entity(tuple(Mention(name, 0, 0, 1, "PER") for name in names))


def test_every_pair_of_mention_names_is_a_fact() -> None:
    entities = (entity("Ada", "Ada Lovelace", "Ada"), entity("London", "the city"), entity("unrelated"))
    document = Document("t", (("x",),), entities, (Label(Triplet(0, "P19", 1)),))
    assert facts_in_train(iter([document])) == {
        ("Ada", "London", "P19"),
        ("Ada", "the city", "P19"),
        ("Ada Lovelace", "London", "P19"),
        ("Ada Lovelace", "the city", "P19"),
    }


def test_facts_of_all_documents_are_joined() -> None:
    first = Document("1", (), (entity("A"), entity("B")), (Label(Triplet(0, "P26", 1)),))
    second = Document("2", (), (entity("A"), entity("B")), (Label(Triplet(1, "P26", 0)),))
    assert facts_in_train([first, second]) == {("A", "B", "P26"), ("B", "A", "P26")}
