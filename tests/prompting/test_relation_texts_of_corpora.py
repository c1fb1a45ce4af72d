"""The shipped relation texts of the other corpora: all relations of the table, whole, and in accord with each other."""

from __future__ import annotations

import pytest

from harness.datasets.corpora import CORPORA
from harness.datasets.corpus import PACKAGE, TABLES
from harness.datasets.relation_table import read_schema
from harness.prompting.relations import DOCRED_TYPES, RelationText, load_relation_texts, relation_texts_for

NAMED = ("biored", "cdr", "dwie", "gda", "scierc")
DWIE = load_relation_texts("dwie")
SYMMETRIC = ("is_meeting", "vs", "sibling", "spouse_of")


@pytest.mark.parametrize("name", NAMED)
def test_every_relation_of_a_corpus_has_its_own_texts(name: str) -> None:
    schema = read_schema(PACKAGE / TABLES / f"{name}.json")
    assert CORPORA[name].packaged_relations == f"{TABLES}/{name}.json"
    texts = relation_texts_for(schema).by_id
    assert texts == load_relation_texts(name)
    assert list(texts) == [one.id for one in schema.relations]
    assert [text.example[1] for text in texts.values()] == [one.name for one in schema.relations]
    for field in ("description", "statement", "example"):
        assert len({getattr(text, field) for text in texts.values()}) == len(texts), field


def test_every_relation_of_dwie_has_a_label_and_argument_types_of_its_reader() -> None:
    assert len(DWIE) == 65
    # In the prompt hrt one word is read: labels must differ in their first.
    assert len({(text.label or "").split(" ")[0] for text in DWIE.values()}) == 65
    types = set(CORPORA["dwie"].entity_types)
    assert not types & set(DOCRED_TYPES)
    for text in DWIE.values():
        assert text.head_types, text.id
        assert text.tail_types, text.id
        assert {*text.head_types, *text.tail_types} <= types, text.id


def test_relations_of_dwie_that_name_a_demonym_are_those_of_the_name_but_for_the_tail() -> None:
    """``based_in0-x`` says of the demonym what ``based_in0`` says of the country."""
    pairs = [(DWIE[one.removesuffix("-x")], DWIE[one]) for one in DWIE if one.endswith("-x")]
    assert len(pairs) == 12
    for plain, other in pairs:
        assert plain.head_types == other.head_types
        assert plain.example[0] == other.example[0]
        assert not set(plain.tail_types) & set(other.tail_types)
        assert "demonym" in other.example[1]
        # The tail of the one is the demonym of the tail of the other.
        assert (other.example[2], plain.example[2]) in {
            (DWIE[gpe].example[0], DWIE[gpe].example[2]) for gpe in ("gpe0", "gpe1", "gpe2")
        } or plain.id == "artifact_of"


def test_inverses_of_dwie_mirror_each_other() -> None:
    def mirrored(one: RelationText, other: RelationText) -> bool:
        return (one.example[0], one.example[2]) == (other.example[2], other.example[0])

    assert {one: text.inverse for one, text in DWIE.items() if text.inverse} == {
        "won_vs": ("vs",),
        "parent_of": ("child_of",),
        "child_of": ("parent_of",),
    }
    assert all(mirrored(DWIE[one], DWIE[other]) for one, text in DWIE.items() for other in text.inverse)
    assert tuple(one for one, text in DWIE.items() if text.symmetric) == SYMMETRIC
    assert tuple(one for one, text in DWIE.items() if "both directions" in text.description) == SYMMETRIC
