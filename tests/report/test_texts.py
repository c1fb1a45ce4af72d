"""Prompts and answers are kept byte for byte, and what they share is kept once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.report.texts import TextTable, shared_lines
from tests.report.stored import StoredRuns

LINES = st.lists(st.sampled_from(["", "a", "b", "a ", "\r", "é\u2028", "END"]), max_size=6).map("\n".join)


def text_of(table: TextTable, shared: list[str], number: int) -> str:
    """As document.js puts it together."""
    lines = [*shared, *table.own]
    ranges = table.texts[number]
    starts, counts = ranges[::2], ranges[1::2]
    return "\n".join(line for start, count in zip(starts, counts, strict=True) for line in lines[start : start + count])


@given(st.lists(LINES, max_size=6), st.lists(st.sampled_from(["a", "", "x"]), unique=True))
def test_texts_come_back_byte_for_byte(texts: list[str], shared: list[str]) -> None:
    table = TextTable(shared)
    numbers = [table.add(text) for text in texts]
    assert [text_of(table, shared, number) for number in numbers] == texts
    assert len(table.texts) == len(set(texts))
    assert not set(table.own) & set(shared)


def test_neighbouring_lines_are_one_range() -> None:
    table = TextTable(["one", "two", "three"])
    table.add("one\ntwo\nthree\nfour\ntwo")
    assert table.texts == [[0, 4, 1, 1]]
    assert table.own == ["four"]


def test_what_prompts_of_a_run_have_in_common_is_shared(stored: StoredRuns) -> None:
    shared = shared_lines([stored.closed.folder])
    prompts = [
        {line for message in record.steps[0]["messages"] for line in message["content"].split("\n")}
        for record in list(stored.closed.folder.documents())[:3]
    ]
    assert set(shared) == (prompts[0] & prompts[1]) | (prompts[0] & prompts[2]) | (prompts[1] & prompts[2])
    assert any("country" in line for line in shared), "the schema is said in every prompt"
