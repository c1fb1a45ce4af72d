"""Option grammars: engines accept exactly the labels, and what they accept is read as its option."""

from __future__ import annotations

import json
import string

import pytest

from harness.answers.option import Option, OptionForm, parse_option
from harness.types import GrammarForm
from tests.judges import judges

FORMS: tuple[GrammarForm, ...] = ("regex", "gbnf", "lark", "json_schema")
LABELS = {
    "two letters": ("A", "B"),
    "all letters": tuple(string.ascii_uppercase),
    "words": ("true", "false"),
    "numbers": tuple(f"{number:02}" for number in range(1, 98)),
}


def written(label: str, form: GrammarForm) -> str:
    return OptionForm((Option("A"),)).write(label, "json" if form == "json_schema" else "lines")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_every_label_is_accepted_and_read_as_its_option(labels: tuple[str, ...], form: GrammarForm) -> None:
    found = judges(OptionForm(tuple(map(Option, labels))).render(form))
    options = [Option(label) for label in labels]
    for number, label in enumerate(labels):
        answer = written(label, form)
        assert {name: judge(answer) for name, judge in found.items()} == dict.fromkeys(found, True), answer
        parsed = parse_option(answer, options)
        assert (parsed.option, parsed.start, parsed.rejects) == (number, answer.rindex(label), ())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_nothing_else_is_accepted(labels: tuple[str, ...], form: GrammarForm) -> None:
    first, last = labels[0], labels[-1]
    others = [
        "",
        " ",
        first * 2,
        first[:-1],
        f"{first} {last}",
        first.swapcase() if first.isalpha() else "7",
        "99",
        "?",
    ]
    answers = [written(other, form) for other in others]
    if form == "json_schema":
        answers += [first, json.dumps({"answer": [first]}), json.dumps({"answer": first, "why": last}), "{}"]
    else:
        answers += [f" {first}", f"{first}\n", f"{first}.", f"({first})", json.dumps({"answer": first})]
    for name, judge in judges(OptionForm(tuple(map(Option, labels))).render(form)).items():
        assert [answer for answer in answers if judge(answer)] == [], name


@pytest.mark.parametrize("labels", [(), ("A", ""), ("1", "2", "12"), ("1", "1 a", "12"), ("A", "A")])
def test_labels_that_leave_open_where_an_answer_ends_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="label"):
        OptionForm(tuple(map(Option, labels)))
