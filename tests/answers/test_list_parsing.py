"""Parsing lists: what models write, hostile input, speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.answers.items import parse_list
from harness.escaping import format_item

CASES = yaml.safe_load((Path(__file__).parent / "list_parsing_cases.yaml").read_text(encoding="utf-8"))
KNOWN = {
    *("country", "place of birth", "capital", "E1", "E5", "E12"),
    *("A, B", "1. FC Köln", "Star Trek: Voyager", "END", "D.C.", "END."),
}
REASONS = {"malformed", "empty_field", "truncated_line", "after_end", "prose"}

any_text = st.text(st.characters(exclude_categories=["Cs"]))
_PIECES = [
    "- ",
    "1. ",
    ", ",
    "; ",
    ": ",
    " and ",
    "|",
    "\n",
    "END",
    "\\",
    '"',
    "'",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "**",
    "```",
]
pieces = st.sampled_from([*_PIECES, "E1", "country", "born in", '{"heads": ["E1"]}', " - ", "\t", "\ud800", "null"])


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_list_is_read(case: dict[str, Any]) -> None:
    parsed = parse_list(case["text"], KNOWN.__contains__, truncated=case.get("truncated", False))
    assert list(parsed.entries) == case["items"]
    assert [[reject.reason, reject.text] for reject in parsed.rejects] == case.get("rejects", [])
    assert parsed.repeated == case.get("repeated", 0)
    assert parsed.terminated == case.get("terminated", True)


@given(names=st.lists(any_text, unique=True, max_size=4))
def test_every_known_name_survives_its_line(names: list[str]) -> None:
    parsed = parse_list("".join(f"{format_item(name)}\n" for name in names) + "END", set(names).__contains__)
    assert (list(parsed.entries), parsed.rejects, parsed.terminated) == (names, (), True)


@settings(max_examples=300)
@given(text=st.text() | st.lists(pieces, max_size=40).map("".join), truncated=st.booleans())
def test_any_text_is_read_without_error_into_distinct_items_and_known_reasons(text: str, truncated: bool) -> None:
    parsed = parse_list(text, KNOWN.__contains__, truncated=truncated)
    assert len(set(parsed.entries)) == len(parsed.entries)
    assert all(parsed.entries)
    assert {reject.reason for reject in parsed.rejects} <= REASONS
    "".join(parsed.entries).encode()


@settings(max_examples=100)
@given(text=st.lists(pieces, max_size=30).map("".join))
def test_whatever_follows_leaves_the_lines_before_it_as_they_are(text: str) -> None:
    assert parse_list("country\nE12\nA, B\n" + text, KNOWN.__contains__).entries[:3] == ("country", "E12", "A, B")


@pytest.mark.parametrize(
    "unit", ["country\n", "E1, ", "a, ", "a: ", "(", "[", '["', "E1 - ", " ", "\\", "- ", '{"a":', "x and "]
)
def test_a_hundred_thousand_characters_of_anything_are_read(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    for whole in (text, text.replace("\n", " ") + "\n)", text + "]" * 1000):
        parsed = parse_list(whole, KNOWN.__contains__)
        assert parsed.entries or parsed.rejects or not text.strip("-[ ")
