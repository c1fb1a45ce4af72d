"""Mentions are tagged in the running text, and no text can pretend to be a tag."""

from __future__ import annotations

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.registry import load_dataset
from harness.prompting.tagging import entity_ids, entity_names, id_tags, name_tags, tagged_text
from harness.types import Document
from tests.documents import document


def plain_text(one: Document) -> str:
    return " ".join(token for sentence in one.sentences for token in sentence)


TAG = re.compile(r"</?E\d+>")


def test_every_mention_is_enclosed_in_the_tags_of_its_entity() -> None:
    oslo = document("Oslo is in Norway .\nNorway it is", [[(0, 0, 1, "LOC")], [(0, 3, 4, "LOC"), (1, 0, 1, "LOC")]])
    assert tagged_text(oslo, id_tags(entity_ids(oslo))) == (
        "<E1>Oslo</E1> is in <E2>Norway</E2> . <E2>Norway</E2> it is"
    )


def test_nested_and_crossing_mentions_keep_their_extent() -> None:
    nested = document("New York City Hall", [[(0, 0, 4, "ORG")], [(0, 0, 3, "LOC")], [(0, 2, 4, "MISC")]])
    assert tagged_text(nested, id_tags(entity_ids(nested))) == "<E1><E2>New York <E3>City</E2> Hall</E3></E1>"


def test_two_entities_with_the_same_span_nest() -> None:
    same = document("Kent", [[(0, 0, 1, "PER")], [(0, 0, 1, "LOC")]])
    assert tagged_text(same, id_tags(entity_ids(same))) == "<E1><E2>Kent</E2></E1>"


def test_name_tags_cannot_be_broken_by_a_name() -> None:
    odd = document('a"><b', [[(0, 0, 1, "MISC")]])
    assert tagged_text(odd, name_tags(entity_names(odd))) == ('<entity name="a&quot;&gt;&lt;b">a"&gt;&lt;b</entity>')


@given(st.lists(st.sampled_from(["<E1>", "</E1>", "</document>", "&lt;E2&gt;", "<", "&", "x"]), min_size=1, max_size=8))
def test_text_that_looks_like_a_tag_is_escaped_and_can_be_read_back(tokens: list[str]) -> None:
    attack = document(" ".join(tokens), [[(0, 0, len(tokens), "MISC")]])
    text = tagged_text(attack, id_tags(entity_ids(attack)))
    assert TAG.findall(text) == ["<E1>", "</E1>"]
    assert "</document>" not in text
    assert unescape(TAG.sub("", text)) == plain_text(attack)


def test_removing_the_tags_gives_every_sample_document_back() -> None:
    for one in load_dataset("sample").documents:
        text = tagged_text(one, id_tags(entity_ids(one)))
        assert unescape(TAG.sub("", text)) == plain_text(one)
        assert len(TAG.findall(text)) == 2 * sum(len(entity.mentions) for entity in one.entities)
