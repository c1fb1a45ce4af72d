"""List grammars, and triplet grammars about one head: engines accept exactly the legal answers, which parse back."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.answers.items import ListForm, parse_list
from harness.answers.relation_field import RELATION_WORDS, GrammarLevel
from harness.answers.triplets import TripletForm
from harness.escaping import escape, format_item, format_triplet
from harness.types import GrammarForm, RawTriplet
from tests.judges import judges, llguidance_judge, xgrammar_judge

FORMS: tuple[GrammarForm, ...] = ("regex", "gbnf", "lark", "json_schema")
LINE_FORMS: tuple[GrammarForm, ...] = ("regex", "gbnf", "lark")
# A fault of xgrammar 0.2 that the line forms avoid and that an enumeration cannot.
MISREAD_BY_XGRAMMAR = re.compile("[\u0080-\u00ff][0-9A-Fa-f]")

_NAMES = [
    "country",
    "country of origin",
    "END",
    "- END",
    "E1",
    "E11",
    "1. FC Köln",
    "A | B",
    "Béa",
    " a ",
    '"A"',
    "[x]",
]
names = st.sampled_from([*_NAMES, "two\nlines", "a, b", "Star Trek: Voyager", "", "東京", "D.C."])
free_texts = st.sampled_from(
    ["country", "spouse’s twin (half)", "x" * 80, "出生地（市）", "a" + " b" * (RELATION_WORDS - 1)]
)
some_examples = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@st.composite
def answers(draw: st.DrawFn, level: GrammarLevel) -> tuple[ListForm, list[str]]:
    """A grammar, and distinct items that it admits, possibly none."""
    items = draw(st.lists(names, min_size=1, max_size=5))
    item = st.sampled_from(items) if level == "closed" else free_texts
    listed = draw(st.lists(item, unique=True, max_size=3))
    return ListForm("relations", tuple(items), level, 3), listed


def written(form: GrammarForm, items: Sequence[str], name: str = "relations") -> str:
    if form == "json_schema":
        return json.dumps({name: list(map(escape, items))}, ensure_ascii=False)
    return "".join(f"{format_item(item)}\n" for item in items) + "END"


def verdicts(grammar: ListForm | TripletForm, form: GrammarForm, completions: list[str]) -> list[set[bool]]:
    """For every completion, what the engines make of it: one verdict if they agree."""
    constraint = grammar.render(form)
    if form == "regex" and grammar.level == "format":
        # outlines-core takes seconds to minutes over lines of free text (docs/grammar.md).
        found = {"llguidance": llguidance_judge(constraint), "xgrammar": xgrammar_judge(constraint)}
    else:
        found = judges(constraint)
    if form == "json_schema" and MISREAD_BY_XGRAMMAR.search(constraint.text):
        del found["xgrammar"]
    return [{judge(completion) for judge in found.values()} for completion in completions]


@pytest.mark.parametrize("form", FORMS)
@some_examples
@given(answer=answers("closed") | answers("format"))
def test_a_legal_list_is_accepted_and_read_back(form: GrammarForm, answer: tuple[ListForm, list[str]]) -> None:
    grammar, items = answer
    completion = written(form, items)
    assert verdicts(grammar, form, [completion]) == [{True}], completion
    parsed = parse_list(completion, {*grammar.items, *items}.__contains__)
    assert (list(parsed.entries), parsed.rejects, parsed.repeated, parsed.terminated) == (items, (), 0, True)


@pytest.mark.parametrize("form", FORMS)
@some_examples
@given(answer=answers("closed") | answers("format"))
def test_a_list_one_mutation_away_from_legal_is_rejected(form: GrammarForm, answer: tuple[ListForm, list[str]]) -> None:
    grammar, items = answer
    some = items or [grammar.items[0] if grammar.level == "closed" else "country"]
    completions = [written(form, some[:1] * 4)]
    if grammar.level == "closed":
        completions += [written(form, [*items[:2], "elsewhere"]), written(form, [some[0] + "x"])]
    if form in LINE_FORMS:
        legal = written(form, some)
        completions += [
            legal.removesuffix("END"),
            legal + "\n",
            " " + legal,
            legal + "END",
        ]
    assert verdicts(grammar, form, completions) == [{False}] * len(completions), completions


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bound", [0, 3])
def test_without_an_item_only_the_empty_list_is_left(form: GrammarForm, bound: int) -> None:
    grammar = ListForm("heads", () if bound else ("E1",), "closed", bound)
    empty, one = written(form, [], "heads"), written(form, ["E1"], "heads")
    assert verdicts(grammar, form, [empty, one]) == [{True}, {False}]


@pytest.mark.parametrize("form", FORMS)
def test_a_list_is_no_longer_than_what_there_is_to_list(form: GrammarForm) -> None:
    grammar = ListForm("heads", ("E1", "E2", "E1"), "closed", 100)
    completions = [written(form, ["E2", "E1"], "heads"), written(form, ["E2", "E1", "E2"], "heads")]
    assert verdicts(grammar, form, completions) == [{True}, {False}]


def triplets_written(form: GrammarForm, triplets: Sequence[RawTriplet]) -> str:
    if form == "json_schema":
        return json.dumps({"triplets": [triplet._asdict() for triplet in triplets]}, ensure_ascii=False)
    return "".join(f"{format_triplet(*triplet)}\n" for triplet in triplets) + "END"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("level", ["closed", "format"])
def test_with_a_fixed_head_no_line_has_another_head_nor_that_head_as_its_tail(
    form: GrammarForm, level: GrammarLevel
) -> None:
    grammar = TripletForm(("E1", "E11", "E2"), ("r",), level, 2, head="E1")
    legal = [[], [RawTriplet("E1", "r", "E11")], [RawTriplet("E1", "r", "E2"), RawTriplet("E1", "r", "E11")]]
    illegal = [
        [RawTriplet("E11", "r", "E1")],
        [RawTriplet("E2", "r", "E11")],
        [RawTriplet("E1", "r", "E1")],
        [RawTriplet("E1", "r", "E3")],
        [RawTriplet("E1", "r", "E2")] * 3,
    ]
    completions = [triplets_written(form, triplets) for triplets in [*legal, *illegal]]
    assert verdicts(grammar, form, completions) == [{True}] * len(legal) + [{False}] * len(illegal)


@pytest.mark.parametrize("form", FORMS)
def test_a_head_without_another_entity_leaves_only_the_empty_answer(form: GrammarForm) -> None:
    grammar = TripletForm(("E1",), ("r",), "closed", 2, head="E1")
    completions = [triplets_written(form, []), triplets_written(form, [RawTriplet("E1", "r", "E1")])]
    assert verdicts(grammar, form, completions) == [{True}, {False}]


def test_bounds_and_heads_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="max_items"):
        ListForm("heads", ("E1",), "closed", -1)
    with pytest.raises(ValueError, match="head must be one of the entities"):
        TripletForm(("E1",), ("r",), "closed", 2, head="E2")
