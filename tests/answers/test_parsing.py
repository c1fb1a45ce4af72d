"""Parsing answers: what models write, hostile input, speed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.answers.triplet_reading import parse_triplets
from harness.escaping import escape, format_triplet, unescape
from harness.types import RawTriplet

CASES = yaml.safe_load((Path(__file__).parent / "parsing_cases.yaml").read_text(encoding="utf-8"))
REASONS = {"malformed", "empty_field", "truncated_line", "after_end", "prose"}

any_text = st.text(st.characters(exclude_categories=["Cs"]))
_PIECES = ["(", ")", " | ", "|", "\n", "END", "\\", "\\u", '"', "'", "{", "}", "[", "]", ",", ":", "A", "r", "E1", " "]
_WHOLE_PIECES = [
    '{"head": "A", "relation": "r", "tail": "B"}',
    "(A | r | B)",
    "1. ",
    "->",
    "\t",
    "\ud800",
    "null",
    "**",
]
pieces = st.sampled_from([*_PIECES, *_WHOLE_PIECES, "```"])


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_answer_is_read(case: dict[str, Any]) -> None:
    parsed = parse_triplets(case["text"], truncated=case.get("truncated", False))
    assert [list(triplet) for triplet in parsed.entries] == case["triplets"]
    assert [[reject.reason, reject.text] for reject in parsed.rejects] == case.get("rejects", [])
    assert parsed.repeated == case.get("repeated", 0)
    assert parsed.terminated == case.get("terminated", True)


@given(text=any_text)
def test_escape_is_inverted_and_keeps_to_one_unambiguous_line(text: str) -> None:
    field = escape(text)
    assert unescape(field) == text
    assert field
    assert field == field.strip()
    assert len(field.splitlines()) == 1
    assert "|" not in field.replace("\\\\", "").replace("\\|", "")


@pytest.mark.parametrize(
    "name",
    ["New York", 'the "old" town', "Foo (bar)", "O'Brien", "Zoë", "東京", "👩‍👩‍👧", "C++", "a, b", "71\u00a0million"],
)
def test_ordinary_names_need_no_escape(name: str) -> None:
    assert escape(name) == name


@given(fields=st.tuples(any_text, any_text, any_text).filter(lambda fields: fields[0] != fields[2]))
def test_every_triplet_survives_its_line(fields: tuple[str, str, str]) -> None:
    parsed = parse_triplets(format_triplet(*fields) + "\nEND")
    assert parsed.entries == (RawTriplet(*fields),)
    assert parsed.terminated


@settings(max_examples=300)
@given(
    text=st.text() | st.lists(pieces, max_size=40).map("".join),
    truncated=st.booleans(),
    sentences=st.sampled_from([0, 4]),
)
def test_any_text_is_read_without_error_into_clean_triplets_and_known_reasons(
    text: str, truncated: bool, sentences: int
) -> None:
    parsed = parse_triplets(text, truncated=truncated, sentences=sentences)
    assert len(set(parsed.entries)) == len(parsed.entries)
    assert {reject.reason for reject in parsed.rejects} <= (REASONS | {"unknown_sentence"} if sentences else REASONS)
    assert {number for triplet in parsed.entries for number in triplet.evidence} <= set(range(sentences))
    "".join(field for triplet in parsed.entries for field in triplet).encode()


@settings(max_examples=100)
@given(text=st.lists(pieces, max_size=30).map("".join))
def test_whatever_follows_leaves_the_lines_before_it_as_they_are(text: str) -> None:
    legal = tuple(RawTriplet(f"E{number}", "country", "x | y") for number in range(3))
    prefix = "".join(f"{format_triplet(*triplet)}\n" for triplet in legal)
    assert parse_triplets(prefix + text).entries[:3] == legal


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "(E1 | country | E2)\n",
            "E1 | r | E2), (",
            "| ",
            "\\|",
            "\\",
            "(",
            ")",
            ") ",
            "(a | ",
            "x [\n",
            "[\n",
            "[",
            "{",
        ),
        *(
            '["',
            '{"a":',
            "[1,\n",
            '"\\"',
            '\\"',
            "'a'b",
            "'a ",
            '" , "',
            '["a"],',
            "x [\n]",
            "[(",
            "1. ",
            "** ",
            "- ",
            "`",
        ),
        *("A, ", "Ab: ", "->", "\t", " ", "_", "*"),
    ],
)
def test_time_is_linear_in_the_length_of_the_answer(unit: str) -> None:
    """A hundred thousand characters of anything take a second of CPU time; if it were quadratic, minutes."""
    text = unit * (100_000 // len(unit))
    start = time.process_time()
    parse_triplets(text)
    parse_triplets(text + "]" * 1000)
    parse_triplets(text.replace("\n", " ") + "\n)")
    parse_triplets(f"(E1 | r | E2 | {text}x\n{text}x) 1", sentences=9)
    assert time.process_time() - start < 30
