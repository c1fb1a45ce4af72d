"""Entities with other names: what is swapped, what stays, and that mentions are still where their words are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.encoders.backbone import load_tokenizer
from harness.encoders.batching import Batch, Collator
from harness.encoders.config import ModelConfig
from harness.encoders.text import DocumentEncoder, EncodedDocument
from harness.training.swapping import Swapping, roles_of, swappable, with_names
from harness.types import Document, Entity, Label, Mention, Triplet

RELATIONS = ("P19", "P50")


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def mention(name: str, sent_id: int, start: int, kind: str) -> Mention:
    return Mention(name, sent_id, start, start + len(name.split()), kind)


NOVEL = Document(
    "Novel",
    (
        words("Dune is a novel by Frank Herbert ."),
        words("Herbert was born in Tacoma , Washington State University said ."),
    ),
    (
        Entity((mention("Dune", 0, 0, "MISC"),)),
        Entity((mention("Frank Herbert", 0, 5, "PER"), mention("Herbert", 1, 0, "PER"))),
        Entity((mention("Tacoma", 1, 4, "LOC"),)),
        Entity((mention("Washington State University", 1, 6, "ORG"),)),
        Entity((mention("Washington", 1, 6, "ORG"),)),
    ),
    (Label(Triplet(0, "P50", 1), (0,)), Label(Triplet(1, "P19", 2), (1,))),
)
POEM = Document(
    "Poem",
    (words("Sappho wrote The Brothers Poem , Jane Doe said ."),),
    (
        Entity((mention("Sappho", 0, 0, "PER"),)),
        Entity((mention("The Brothers Poem", 0, 2, "MISC"),)),
        Entity((mention("Jane Doe", 0, 6, "PER"),)),
    ),
    (Label(Triplet(1, "P50", 0), (0,)),),
)


def test_places_and_nested_mentions_keep_their_names() -> None:
    assert swappable(NOVEL) == [0, 1]


def test_a_role_is_a_relation_and_its_side() -> None:
    assert roles_of(NOVEL) == [[("P50", True)], [("P50", False), ("P19", True)], [("P19", False)], [None], [None]]


def test_new_names_move_what_stands_behind_them() -> None:
    renamed = with_names(NOVEL, {0: (("The", "Brothers", "Poem"),), 1: (("Sappho",), ("The", "Poet"))})
    assert [" ".join(sentence) for sentence in renamed.sentences] == [
        "The Brothers Poem is a novel by Sappho .",
        "The Poet was born in Tacoma , Washington State University said .",
    ]
    assert [entity.names for entity in renamed.entities] == [
        ("The Brothers Poem",),
        ("Sappho", "The Poet"),
        ("Tacoma",),
        ("Washington State University",),
        ("Washington",),
    ]
    for entity in renamed.entities:
        for one in entity.mentions:
            assert " ".join(renamed.sentences[one.sent_id][one.start : one.end]) == one.name
    assert renamed.labels == NOVEL.labels


def test_fewer_names_than_mentions_are_used_again() -> None:
    assert with_names(NOVEL, {1: (("Sappho",),)}).entities[1].names == ("Sappho",)


@pytest.fixture
def encoder(tiny_encoder: Callable[[str], str]) -> DocumentEncoder:
    config = ModelConfig(relations=RELATIONS, encoder="any", window=64, overlap=8)
    return DocumentEncoder(load_tokenizer(tiny_encoder("bert")), config)


def swapped(encoder: DocumentEncoder, document: Document, share: float) -> tuple[list[Document], list[EncodedDocument]]:
    """What becomes of a document in twenty batches: its texts, and what the collator is given."""
    texts: list[Document] = []
    given: list[EncodedDocument] = []
    collator = Collator(encoder.tokenizer, 64, 8, len(RELATIONS))

    def encode(text: Document) -> EncodedDocument:
        texts.append(text)
        return encoder.encode(text)

    def collate(batch: list[EncodedDocument]) -> Batch:
        given.extend(batch)
        return collator(batch)

    encoded = replace(encoder.encode(document, with_labels=True), taught=np.ones((20, 2), dtype=np.float16))
    torch.manual_seed(0)
    swapping = Swapping(collate, encode, [NOVEL, POEM], share)
    for _ in range(20):
        swapping([encoded])
    return texts, given


def test_names_are_those_of_an_entity_of_the_same_type_and_role(encoder: DocumentEncoder) -> None:
    texts, given = swapped(encoder, NOVEL, 1.0)
    assert {text.entities[0].names for text in texts} == {("Dune",), ("The Brothers Poem",)}
    # Jane Doe has written nothing, and nobody but Herbert has a place of birth.
    assert {text.entities[1].names for text in texts} == {("Frank Herbert", "Herbert"), ("Sappho",)}
    for one in given:
        assert one.labels.tolist() == [[0, 1, 1], [1, 2, 0]]
        assert one.evidence == ((0,), (1,))
        assert one.taught is not None
        markers = one.input_ids[one.mention_position]
        assert (markers == encoder.tokenizer.convert_tokens_to_ids("*")).all()


def test_nothing_is_swapped_at_a_share_of_0_and_some_at_a_half(encoder: DocumentEncoder) -> None:
    assert swapped(encoder, NOVEL, 0.0)[0] == [NOVEL] * 20
    half, whole = (sum(text != NOVEL for text in swapped(encoder, NOVEL, share)[0]) for share in (0.5, 1.0))
    assert 0 < half < whole
