"""Grouped answers: every item at most once and in its place, in engines and when read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.answers.grouped import GROUPED_FORMS, GroupedForm
from harness.answers.grouped_reading import parse_grouped
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.methods.settings import choose_constraint
from harness.methods.table import create_method
from harness.types import Completion, GrammarForm, RawTriplet, Supports
from tests.judges import judges
from tests.paths import redocred_dir
from tests.variants import extract, settings_of

FORM = GroupedForm(("Ann", "A | B", "END", "- x", "Zoë"), ("spouse", "country", "a: b"))
TRIPLETS = [
    RawTriplet("END", "spouse", "Ann"),
    RawTriplet("Ann", "country", "- x"),
    RawTriplet("Ann", "country", "A | B"),
    RawTriplet("- x", "a: b", "END"),
    RawTriplet("Ann", "spouse", "Zoë"),
]
LINES = "Ann\n- spouse | Zoë\n- country | A \\| B | - x\n\\u0045ND\n- spouse | Ann\n- x\n- a: b | END\nEND"


@pytest.mark.parametrize("form", GROUPED_FORMS)
def test_what_is_written_is_admitted_and_read_back(form: GrammarForm) -> None:
    answer = FORM.write(TRIPLETS, "json" if form == "json_schema" else "lines")
    if form != "json_schema":
        assert answer == LINES
    assert {judge(answer) for judge in judges(FORM.render(form)).values()} == {True}
    read = FORM.read(Completion(answer, "stop"))
    assert (set(read.entries), read.rejects, read.repeated, read.terminated) == (set(TRIPLETS), (), 0, True)


@pytest.mark.parametrize("form", ["gbnf", "lark"])
@pytest.mark.parametrize(
    "answer",
    [
        "Ann\n- country | Zoë\nAnn\n- spouse | Zoë\nEND",
        "Zoë\n- spouse | Ann\nAnn\n- spouse | Zoë\nEND",
        "Ann\n- country | Zoë\n- spouse | Zoë\nEND",
        "Ann\n- country | Zoë\n- country | - x\nEND",
        "Ann\n- country | Zoë | Zoë\nEND",
        "Ann\n- country | Zoë | - x\nEND",
        "Ann\nEND",
        "Ann\n- country\nEND",
        "- country | Ann\nEND",
        "Ann\n- country | Zoë\n",
        "Ann\n- country | Rome\nEND",
    ],
)
def test_nothing_can_be_listed_twice_or_out_of_order(form: GrammarForm, answer: str) -> None:
    assert {judge(answer) for judge in judges(FORM.render(form)).values()} == {False}


@pytest.mark.parametrize("form", ["gbnf", "lark"])
def test_with_types_only_fitting_relations_follow_a_head(form: GrammarForm) -> None:
    fitting = {("PER", "LOC"): ("born in",), ("PER", "PER"): ("spouse",), ("LOC", "LOC"): ("part of",)}
    typed = GroupedForm(("Ann", "Rome", "Bob"), ("born in", "spouse", "part of"), ("PER", "LOC", "PER"), fitting)
    admitted = {
        "Ann\n- born in | Rome\n- spouse | Bob\nEND": True,
        "END": True,
        "Rome\n- part of | Rome\nEND": False,
        "Ann\n- spouse | Rome\nEND": False,
        "Rome\n- born in | Ann\nEND": False,
    }
    for judge in judges(typed.render(form)).values():
        assert {answer: judge(answer) for answer in admitted} == admitted


@pytest.mark.parametrize("form", GROUPED_FORMS)
@pytest.mark.parametrize("grammar", [GroupedForm((), ("r",)), GroupedForm(("A",), ("r",)), GroupedForm(("A", "B"), ())])
def test_only_the_empty_answer_is_left_without_a_pair_or_a_relation(form: GrammarForm, grammar: GroupedForm) -> None:
    empty = grammar.write([], "json" if form == "json_schema" else "lines")
    full = replace(FORM, entities=("A", "B"), relations=("r",)).write([RawTriplet("A", "r", "B")], "lines")
    found = judges(grammar.render(form)).values()
    assert {(judge(empty), judge(full)) for judge in found} == {(True, False)}


@pytest.mark.parametrize(
    ("text", "entries", "reasons"),
    [
        ("**Ann**:\n* country: Zoë, Bob\n", [("Ann", "country", "Zoë"), ("Ann", "country", "Bob")], []),
        ("Ann\ncountry | Zoë | \nEND", [("Ann", "country", "Zoë")], []),
        ("(Ann | country | Zoë)\nEND", [("Ann", "country", "Zoë")], []),
        ("Ann\n- country | Zoë\nAnn\n- country | Zoë\nEND", [("Ann", "country", "Zoë")], []),
        ("Ann\n- country | Zoë | Bo", [("Ann", "country", "Zoë")], ["truncated_line"]),
        ("Ann\n- (co-)author | Zoë | Bob\nEND", [("Ann", "(co-)author", "Zoë"), ("Ann", "(co-)author", "Bob")], []),
        ("Bob\n- (Ann | country | Zoë)\nEND", [("Ann", "country", "Zoë")], []),
        ("Ann is a person who lives somewhere.\nEND", [], ["prose"]),
        ("Ann：\n· country：Zoë、Bob。\nEND。", [("Ann", "country", "Zoë"), ("Ann", "country", "Bob")], []),
        ('{"heads": [{"head": "Ann", "relations": [{"relation": "r", "tails": ["Bob"', [("Ann", "r", "Bob")], []),
    ],
)
def test_answers_of_models_without_a_grammar(text: str, entries: list[tuple[str, ...]], reasons: list[str]) -> None:
    read = parse_grouped(text, frozenset(["Ann", "Zoë", "Bob"]), truncated=reasons == ["truncated_line"])
    assert [tuple(one) for one in read.entries] == entries
    assert [one.reason for one in read.rejects] == reasons


@pytest.mark.parametrize("form", ["gbnf", "json_schema"])
def test_relations_that_look_like_bullets_and_numbers_are_read_as_they_stand(form: GrammarForm) -> None:
    relations = ("•", "–", "**", "-", "1. FC", "2) two", "`code`", "- dash", "* star", "a: b", "A | B", "END.")
    grammar = GroupedForm(("Ann", "END.", "- Bob"), relations)
    stated = [RawTriplet("Ann", one, "- Bob") for one in relations] + [RawTriplet("END.", "•", "Ann")]
    text = grammar.write(stated, "json" if form == "json_schema" else "lines")
    assert {judge(text) for judge in judges(grammar.render(form)).values()} == {True}
    read = grammar.read(Completion(text, "stop"))
    assert (read.entries, read.rejects, read.terminated) == (tuple(stated), (), True)


@pytest.mark.parametrize("form", GROUPED_FORMS)
async def test_perfect_answers_come_back_whole(form: GrammarForm) -> None:
    dataset = load_dataset("redocred", "dev", redocred_dir())
    method = create_method(settings_of("grouped", dataset.schema, form))
    largest = max(dataset.documents, key=lambda one: len(one.entities))
    for document in [largest, *list(dataset.documents)[:3]]:
        (said,) = method.demonstrate(document)
        extraction, _ = await extract(method, document, lambda _: Completion(said.answer, "stop"))  # noqa: B023
        assert {one.triplet for one in extraction.predictions} == {label.triplet for label in document.labels}
        assert (extraction.status, extraction.rejects) == ("ok", ())
        assert said.request.constraint
        assert {judge(said.answer) for judge in judges(said.request.constraint).values()} == {True}
        assert len(said.request.constraint.text) < 20_000


def test_a_model_that_is_held_to_regular_expressions_only_is_refused() -> None:
    assert choose_constraint("closed", Supports(forms=("regex", "json_schema")), GROUPED_FORMS)[1] == "json_schema"
    with pytest.raises(InputError, match="another --prompt"):
        choose_constraint("closed", Supports(forms=("regex",)), GROUPED_FORMS)
