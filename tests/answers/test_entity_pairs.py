"""Lists of a relation's pairs: each pair at most once and in its place, in engines and when read."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.answers.entity_pairs import PAIR_FORMS, EntityPairForm, RawPair
from harness.types import Completion, GrammarForm, TokenLogprob
from tests.judges import judges

NAMES = ("Ann", "A | B", "END", "NONE", "Zoë")
FORM = EntityPairForm(NAMES, NAMES, "place of birth", frozenset(NAMES))
PAIRS = [RawPair("NONE", "END"), RawPair("Ann", "Zoë"), RawPair("Ann", "A | B"), RawPair("END", "NONE")]
LINES = "Ann | A \\| B | Zoë\nEND | NONE\nNONE | END\nEND"


@pytest.mark.parametrize("form", PAIR_FORMS)
@pytest.mark.parametrize("pairs", [PAIRS, []])
@pytest.mark.parametrize("begun", [False, True])
def test_what_is_written_is_admitted_and_read_back(form: GrammarForm, pairs: list[RawPair], begun: bool) -> None:
    answer = FORM.write(pairs, "json" if form == "json_schema" else "lines")
    if form != "json_schema":
        assert answer == (LINES if pairs else "NONE")
    grammar = replace(FORM, begun=begun).render(form)
    assert {judge(answer) for judge in judges(grammar).values()} == {True}
    if begun and form != "json_schema":
        assert {judge(f" {answer}") for judge in judges(grammar).values()} == {True}
    for written in (answer, f" {answer}"):
        read = FORM.read(Completion(written, "stop"))
        assert (set(read.entries), read.rejects, read.repeated, read.terminated) == (set(pairs), (), 0, True)


@pytest.mark.parametrize("form", ["gbnf", "lark"])
@pytest.mark.parametrize(
    "answer",
    [
        "Ann | Zoë\nAnn | END\nEND",
        "Zoë | Ann\nAnn | Zoë\nEND",
        "Ann | Zoë | Zoë\nEND",
        "Ann | Zoë | END\nEND",
        "Ann\nEND",
        "Ann | Zoë\n",
        "Ann | Rome\nEND",
        "NONE\nEND",
        "END",
    ],
)
def test_nothing_can_be_listed_twice_or_out_of_order(form: GrammarForm, answer: str) -> None:
    assert {judge(answer) for judge in judges(FORM.render(form)).values()} == {False}


@pytest.mark.parametrize("form", PAIR_FORMS)
def test_only_heads_and_tails_of_the_relation_stand_there_and_none_may_be_left_out(form: GrammarForm) -> None:
    output = "json" if form == "json_schema" else "lines"
    grammar = EntityPairForm(("Ann", "Bob"), ("Bob", "Rome"), "r", frozenset({"Ann", "Bob", "Rome"}), none=False)
    admitted = {
        FORM.write([], output): False,
        replace(FORM, heads=("Ann",), tails=("Rome",)).write([RawPair("Ann", "Rome")], output): True,
        replace(FORM, heads=("Rome",), tails=("Ann",)).write([RawPair("Rome", "Ann")], output): False,
        replace(FORM, heads=("Bob",), tails=("Ann",)).write([RawPair("Bob", "Ann")], output): False,
    }
    for judge in judges(grammar.render(form)).values():
        assert {answer: judge(answer) for answer in admitted} == admitted


@pytest.mark.parametrize("form", PAIR_FORMS)
@pytest.mark.parametrize("names", [(), ("A",)])
def test_without_a_pair_only_none_is_left(form: GrammarForm, names: tuple[str, ...]) -> None:
    grammar = EntityPairForm(names, names, "r", frozenset(names))
    empty = grammar.write([], "json" if form == "json_schema" else "lines")
    assert {(judge(empty), judge("A | A\nEND")) for judge in judges(grammar.render(form)).values()} == {(True, False)}


@pytest.mark.parametrize(
    ("text", "entries", "reasons"),
    [
        ("None.", [], []),
        ("- (Ann | Zoë)\n- (Bob, Zoë)\n", [("Ann", "Zoë"), ("Bob", "Zoë")], []),
        ("Ann: Zoë, Bob\nBob -> Zoë", [("Ann", "Zoë"), ("Ann", "Bob"), ("Bob", "Zoë")], []),
        ("(Ann | Place of birth | Zoë)\nEND", [("Ann", "Zoë")], []),
        ("(Ann | spouse | Zoë)\nEND", [], ["unasked_relation"]),
        ("Ann | Zoë\nAnn | Zoë\nEND\nThat is all.", [("Ann", "Zoë")], ["after_end"]),
        ("Here they are.\nAnn | Zoë | Bo", [("Ann", "Zoë")], ["prose", "truncated_line"]),
        ("NON", [], ["truncated_line"]),
        ("Ann | \nEND", [], ["empty_field"]),
        ('{"pairs": [{"head": "Ann", "tail": "Zoë"}, ["Bob", "Zoë"]]}', [("Ann", "Zoë"), ("Bob", "Zoë")], []),
        ('```json\n{"pairs": ["Ann | Zoë"]}\n```', [("Ann", "Zoë")], []),
        ('{"pairs": [{"head": "Ann", "tails": ["Zoë", "Bo', [("Ann", "Zoë")], ["truncated_line"]),
    ],
)
def test_answers_of_models_without_a_grammar(text: str, entries: list[tuple[str, str]], reasons: list[str]) -> None:
    form = replace(FORM, known=frozenset({"Ann", "Bob", "Zoë"}))
    read = form.read(Completion(text, "length" if "truncated_line" in reasons else "stop"))
    assert (sorted(map(tuple, read.entries)), [one.reason for one in read.rejects]) == (sorted(entries), reasons)


def test_pairs_have_the_probabilities_of_the_tokens_that_spell_them() -> None:
    said = [("Ann", 0.5), (" | ", 1.0), ("Zoë", 0.2), ("\n", 1.0), ("END", 1.0)]
    tokens = tuple(TokenLogprob(word, math.log(value), ((word, math.log(value)),)) for word, value in said)
    read = FORM.read(Completion("".join(word for word, _ in said), "stop", logprobs=tokens))
    assert read.scores == {RawPair("Ann", "Zoë"): pytest.approx((0.5 * 1.0 * 0.2 * 1.0) ** 0.25)}
