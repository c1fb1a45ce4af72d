"""Typed grammars: engines accept exactly the triplets and pairs whose relation fits the types of its entities."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import pytest

from harness.answers.pairs import PairForm
from harness.answers.triplet_reading import parse_triplets
from harness.answers.typed import TypedTripletForm
from harness.datasets.registry import load_dataset
from harness.escaping import NO_RELATION
from harness.methods.base import PromptedMethod
from harness.methods.context import DocumentContext
from harness.methods.table import create_method
from harness.prompting.relations import relation_texts_for
from harness.types import GrammarForm, RawTriplet
from tests.judges import judges, llguidance_judge, xgrammar_judge
from tests.paths import redocred_dir
from tests.variants import settings_of

FORMS: tuple[GrammarForm, ...] = ("regex", "gbnf", "lark", "json_schema")
ENTITIES = {"Ann": "PER", "Bob | Co": "ORG", "Bob": "PER", "Rome": "LOC", "Rom": "LOC", "42": "NUM"}
FITTING = {
    ("PER", "LOC"): ("born in", "country"),
    ("ORG", "LOC"): ("country",),
    ("LOC", "LOC"): ("country",),
    ("PER", "PER"): ("spouse",),
    ("LOC", "PER"): ("mayor",),
    ("ORG", "ORG"): ("part of",),
}
RELATIONS = ("born in", "country", "spouse", "mayor", "part of")


def answer(form: GrammarForm, *triplets: RawTriplet) -> str:
    writer = TypedTripletForm((), (), {}, 0)
    return writer.write(triplets, "json" if form == "json_schema" else "lines")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("only", [None, "Rome"])
def test_exactly_the_triplets_that_fit_are_admitted(form: GrammarForm, only: str | None) -> None:
    grammar = TypedTripletForm(tuple(ENTITIES), tuple(ENTITIES.values()), FITTING, 2, only)
    found = judges(grammar.render(form))
    for head, relation, tail in product(ENTITIES, RELATIONS, ENTITIES):
        if only is None and head == tail and form in ("regex", "json_schema"):
            continue
        is_legal = relation in FITTING.get((ENTITIES[head], ENTITIES[tail]), ()) and head != tail
        is_legal &= only in (None, head)
        one = RawTriplet(head, relation, tail)
        assert {judge(answer(form, one)) for judge in found.values()} == {is_legal}, one
        if is_legal:
            assert parse_triplets(answer(form, one)).entries == (one,)
    first = RawTriplet("Rome", "mayor", "Ann")
    assert {judge(answer(form)) for judge in found.values()} == {True}
    assert {judge(answer(form, first, first)) for judge in found.values()} == {True}
    assert {judge(answer(form, first, first, first)) for judge in found.values()} == {False}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "grammar",
    [
        TypedTripletForm(("A",), ("PER",), {("PER", "PER"): ("spouse",)}, 5),
        TypedTripletForm(("A", "B"), ("PER", "NUM"), FITTING, 5),
        TypedTripletForm(("A", "B"), ("PER", "PER"), FITTING, 0),
        TypedTripletForm(("", "B"), ("PER", "NUM"), FITTING, 5, ""),
    ],
)
def test_only_the_empty_answer_is_left_where_nothing_fits(form: GrammarForm, grammar: TypedTripletForm) -> None:
    for judge in judges(grammar.render(form)).values():
        assert judge(answer(form))
        assert not judge(answer(form, RawTriplet("A", "spouse", "B")))


@pytest.mark.parametrize("form", FORMS)
def test_entities_of_one_name_have_all_their_types(form: GrammarForm) -> None:
    grammar = TypedTripletForm(("Ann", "Paris", "Paris"), ("PER", "LOC", "PER"), FITTING, 1)
    for judge in judges(grammar.render(form)).values():
        assert judge(answer(form, RawTriplet("Ann", "born in", "Paris")))
        assert judge(answer(form, RawTriplet("Ann", "spouse", "Paris")))
        assert not judge(answer(form, RawTriplet("Ann", "mayor", "Paris")))


@pytest.mark.parametrize("none", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_a_pair_has_its_fitting_relations_or_none(form: GrammarForm, none: bool) -> None:
    pairs = (("Ann", "Rome"), ("Ann", "42"))
    grammar = PairForm(pairs, RELATIONS, "closed", none, 2, (("born in", "country"), ()))
    found = judges(grammar.render(form))
    last = RawTriplet("Ann", NO_RELATION, "42")
    for relation in (*RELATIONS, NO_RELATION):
        is_legal = relation in ("born in", "country") or (none and relation == NO_RELATION)
        text = answer(form, RawTriplet("Ann", relation, "Rome"), last)
        assert {judge(text) for judge in found.values()} == {is_legal}, text
    wrong = answer(form, RawTriplet("Ann", "country", "Rome"), RawTriplet("Ann", "country", "42"))
    assert {judge(wrong) for judge in found.values()} == {False}


@pytest.mark.parametrize("form", FORMS)
def test_a_document_of_80_entities_has_a_small_grammar_within_strict_limits(form: GrammarForm) -> None:
    texts = relation_texts_for(load_dataset("redocred", "dev", redocred_dir()).schema).by_id
    types = [("PER", "ORG", "LOC", "TIME", "NUM", "MISC")[number % 6] for number in range(80)]
    fitting = {
        pair: tuple(text.example[1] for text in texts.values() if text.type_rank(*pair) is not None)
        for pair in product(set(types), set(types))
    }
    grammar = TypedTripletForm(tuple(f"E{number}" for number in range(1, 81)), tuple(types), fitting, 100)
    text = grammar.render(form).text
    assert len(text) < 40_000
    if form == "json_schema":
        enums = [one["enum"] for one in json.loads(text)["$defs"].values()]
        assert sum(map(len, enums)) <= 80 + 96


@pytest.mark.parametrize("prompt", ["tagged", "relation-facts", "rhf", "pairwise", "classify"])
@pytest.mark.parametrize("form", ["gbnf", "json_schema"])
def test_perfect_answers_are_admitted_where_the_types_fit(prompt: str, form: GrammarForm) -> None:
    dataset = load_dataset("redocred", "dev", redocred_dir())
    settings = replace(settings_of(prompt, dataset.schema, form), level="typed")
    method = create_method(settings)
    assert isinstance(method, PromptedMethod)
    admitted = refused = 0
    for document in list(dataset.documents)[:2]:
        context = DocumentContext(document, settings, method.schema)
        fits = {(*pair, one) for pair, names in context.fitting(method.schema.names).items() for one in names}
        for said in method.demonstrate(document)[-2:]:
            assert said.request.constraint
            stated = parse_triplets(said.answer).entries
            places = {reference: place for place, reference in enumerate(context.references)}
            fitting = all(
                one.relation == NO_RELATION
                or (context.types[places[one.head]], context.types[places[one.tail]], one.relation) in fits
                for one in stated
            )
            verdicts = {judge(said.request.constraint)(said.answer) for judge in (llguidance_judge, xgrammar_judge)}
            assert verdicts == {fitting}, (prompt, said.answer)
            admitted, refused = admitted + fitting, refused + (not fitting)
    assert admitted, "documents whose gold triplets fit"
