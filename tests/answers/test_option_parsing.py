"""Which option an answer names, in whatever form models write it; each loss has its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.answers.option import Option, parse_option

CASES = yaml.safe_load((Path(__file__).parent / "option_cases.yaml").read_text(encoding="utf-8"))
OPTIONS: Mapping[str, Sequence[Option]] = {
    "letters": (
        Option("A", (), "Rome is the capital of Italy."),
        Option("B", (), "Rome belongs to the country Italy."),
        Option("C", (), "A Roman Holiday was made in Rome."),
        Option("D", ("none",), "None of the above."),
    ),
    "words": (Option("true", ("yes",), "Rome lies in Italy."), Option("false", ("no", "not"))),
    "numbers": tuple(Option(f"{number:02}") for number in range(1, 98)),
}


def cases() -> Iterator[Any]:
    for kind, several in CASES.items():
        for case in several:
            yield pytest.param(kind, case, id=f"{kind} {case['text']!r} {case.get('truncated', '')}")


@pytest.mark.parametrize(("kind", "case"), cases())
def test_an_answer_is_read_as_the_option_it_names(kind: str, case: Mapping[str, Any]) -> None:
    options = OPTIONS[kind]
    parsed = parse_option(case["text"], options, truncated=case.get("truncated", False))
    assert (None if parsed.option is None else options[parsed.option].label) == case.get("option")
    assert [reject.reason for reject in parsed.rejects] == case.get("rejects", [])
    assert all(reject.text for reject in parsed.rejects)


@pytest.mark.parametrize(
    ("text", "start"), [("Answer: (B)", 9), ('{"answer": "B"}', 12), ("Rome belongs to the country Italy.", None)]
)
def test_the_place_of_the_label_is_told(text: str, start: int | None) -> None:
    parsed = parse_option(text, OPTIONS["letters"])
    assert (parsed.option, parsed.start) == (1, start)


@pytest.mark.parametrize("kind", OPTIONS)
@given(
    text=st.text(max_size=40)
    | st.lists(st.sampled_from(["A", "B", " ", "\n", "(", "the", "answer", "7", "no"])).map("".join)
)
def test_no_text_fails_and_what_is_not_read_is_kept(kind: str, text: str) -> None:
    parsed = parse_option(text, OPTIONS[kind])
    assert parsed.option is not None or bool(parsed.rejects) == bool(text.strip())


@pytest.mark.parametrize(
    "line", ["(", "the ", "answer ", "\n", "B\n", "(E1 | country | E2)\n", "I waver.\n", "_", "option "]
)
def test_ten_thousand_lines_are_read_in_linear_time(line: str) -> None:
    """A quadratic search over this much text would outlast the test run."""
    for kind, options in OPTIONS.items():
        parsed = parse_option(line * 50_000, options)
        assert parsed.option == (1 if line == "B\n" and kind == "letters" else None)
