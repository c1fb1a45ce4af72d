"""Pair grammars: engines accept exactly the answers that go through the pairs, and those parse back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.answers.pairs import PairForm
from harness.answers.relation_field import GrammarLevel
from harness.answers.triplet_reading import parse_triplets
from harness.datasets.registry import load_dataset
from harness.escaping import NO_RELATION, escape, format_triplet
from harness.types import Document, GrammarForm, RawTriplet
from tests.judges import judges, llguidance_judge, xgrammar_judge
from tests.paths import redocred_dir

FORMS: tuple[GrammarForm, ...] = ("regex", "gbnf", "lark", "json_schema")
LINE_FORMS: tuple[GrammarForm, ...] = ("regex", "gbnf", "lark")
# A fault of xgrammar 0.2 that the line forms avoid and that an enumeration cannot.
MISREAD_BY_XGRAMMAR = re.compile("[\u0080-\u00ff][0-9A-Fa-f]")
MAX_RELATIONS = 3

references = st.sampled_from(["E1", "E11", "E2", "New", "New York", "A | B", "END", "Zoë", "Béa", "(x)", " a ", '"A"'])
names = st.sampled_from(["country", "country of origin", "None of these", "part of", "spouse’s (twin)", "a|b", "É"])
free_relations = st.sampled_from(["country", NO_RELATION, "spouse’s twin (half)", "x" * 80, "出生地"])
some_examples = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@st.composite
def answers(draw: st.DrawFn, level: GrammarLevel) -> tuple[PairForm, list[list[RawTriplet]]]:
    """A grammar of one to four distinct pairs, and for each pair the lines of a legal answer."""
    pair = st.tuples(references, references).filter(lambda pair: pair[0] != pair[1])
    pairs = draw(st.lists(pair, min_size=1, max_size=4, unique=True))
    relations = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    none = draw(st.booleans())
    relation = st.sampled_from(relations) if level == "closed" else free_relations
    lines = []
    for head, tail in pairs:
        chosen = draw(st.lists(relation, min_size=1, max_size=MAX_RELATIONS, unique=True))
        if none and level == "closed" and draw(st.booleans()):
            chosen = [NO_RELATION]
        lines.append([RawTriplet(head, one, tail) for one in chosen])
    return PairForm(tuple(pairs), tuple(relations), level, none, MAX_RELATIONS), lines


def as_lines(triplets: Iterable[RawTriplet]) -> str:
    return "".join(f"{format_triplet(*triplet)}\n" for triplet in triplets) + "END"


def as_json(triplets: Iterable[RawTriplet]) -> str:
    items = [{name: escape(text) for name, text in triplet._asdict().items()} for triplet in triplets]
    return json.dumps({"triplets": items}, ensure_ascii=False)


def written(form: GrammarForm, lines: Iterable[list[RawTriplet]]) -> str:
    triplets = [triplet for several in lines for triplet in several]
    return as_json(triplets) if form == "json_schema" else as_lines(triplets)


def verdicts(grammar: PairForm, form: GrammarForm, completions: list[str]) -> list[set[bool]]:
    """For every completion, what the engines make of it: one verdict if they agree."""
    constraint = grammar.render(form)
    found = judges(constraint)
    if form == "json_schema" and MISREAD_BY_XGRAMMAR.search(constraint.text):
        del found["xgrammar"]
    return [{judge(completion) for judge in found.values()} for completion in completions]


@pytest.mark.parametrize("form", FORMS)
@some_examples
@given(answer=answers("closed") | answers("format"))
def test_a_legal_answer_is_accepted_and_parses_back_to_its_lines(
    form: GrammarForm, answer: tuple[PairForm, list[list[RawTriplet]]]
) -> None:
    grammar, lines = answer
    completion = written(form, lines)
    assert verdicts(grammar, form, [completion]) == [{True}], completion
    parsed = parse_triplets(completion)
    assert list(parsed.entries) == [triplet for several in lines for triplet in several]
    assert (parsed.rejects, parsed.terminated) == ((), True)


def illegal(grammar: PairForm, lines: list[list[RawTriplet]]) -> Iterator[list[list[RawTriplet]]]:
    """Lines one mutation away from the legal ones, whichever the notation."""
    first, *others = lines
    head, relation, tail = first[0]
    yield others
    yield [[RawTriplet(head, relation, "elsewhere")], *others]
    yield [[RawTriplet("elsewhere", relation, tail)], *others]
    yield [first * (MAX_RELATIONS + 1), *([one[0]] * MAX_RELATIONS for one in others)]
    if grammar.level == "closed":
        yield [[RawTriplet(head, "elsewhere", tail)], *others]
        yield [[RawTriplet(head, "-", tail)], *others]
        if not grammar.none:
            yield [[RawTriplet(head, NO_RELATION, tail)], *others]


def illegal_in_lines_only(grammar: PairForm, lines: list[list[RawTriplet]]) -> Iterator[list[list[RawTriplet]]]:
    """What a JSON schema cannot tell from a legal answer."""
    first = lines[0][0]
    if len(lines) > 1:
        yield lines[::-1]
        yield [*lines[1:], lines[0]]
        yield [*([one[0]] for one in lines[:-1]), [first]]
    if grammar.none and grammar.level == "closed":
        yield [[first._replace(relation=NO_RELATION)] * 2, *lines[1:]]


@pytest.mark.parametrize("form", FORMS)
@some_examples
@given(answer=answers("closed") | answers("format"))
def test_an_answer_one_mutation_away_from_legal_is_rejected(
    form: GrammarForm, answer: tuple[PairForm, list[list[RawTriplet]]]
) -> None:
    grammar, lines = answer
    mutated = [written(form, one) for one in illegal(grammar, [one[:1] for one in lines])]
    if form in LINE_FORMS:
        legal = written(form, lines)
        mutated += [legal.removesuffix("END"), legal + "\n", legal.replace(" | ", "|"), legal.replace("(", "", 1)]
        mutated += [written(form, one) for one in illegal_in_lines_only(grammar, lines)]
    assert verdicts(grammar, form, mutated) == [{False}] * len(mutated), mutated


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "grammar",
    [
        PairForm((), ("r",), "closed", True, 2),
        PairForm((), ("r",), "format", False, 2),
        PairForm((("A", "B"),), (), "closed", True, 2),
    ],
)
def test_only_the_empty_answer_is_left_without_a_pair_or_a_relation(form: GrammarForm, grammar: PairForm) -> None:
    completions = [written(form, []), written(form, [[RawTriplet("A", "r", "B")]])]
    assert verdicts(grammar, form, completions) == [{True}, {False}]


@pytest.mark.parametrize("form", FORMS)
def test_a_relation_that_is_called_none_does_no_harm(form: GrammarForm) -> None:
    grammar = PairForm((("A", "B"),), (NO_RELATION, "r"), "closed", True, 2)
    completion = written(form, [[RawTriplet("A", NO_RELATION, "B")]])
    assert verdicts(grammar, form, [completion]) == [{True}]


@pytest.mark.parametrize("form", LINE_FORMS)
def test_pairs_whose_references_are_alike_are_answered_once_each(form: GrammarForm) -> None:
    pair = [RawTriplet("A", "r", "B")]
    once = PairForm((("A", "B"),), ("r",), "closed", True, 1)
    twice = replace(once, pairs=once.pairs * 2)
    assert verdicts(twice, form, [written(form, [pair]), written(form, [pair, pair])]) == [{False}, {True}]


def gold_lines(document: Document, names: dict[str, str], pairs: list[tuple[int, int]]) -> list[list[RawTriplet]]:
    """Every pair's gold relations by id, or None where it has none."""
    relations: dict[tuple[int, int], list[str]] = {}
    for head, relation, tail in (label.triplet for label in document.labels):
        relations.setdefault((head, tail), []).append(names[relation])
    return [
        [
            RawTriplet(f"E{pair[0] + 1}", name, f"E{pair[1] + 1}")
            for name in dict.fromkeys(relations.get(pair, [NO_RELATION]))
        ]
        for pair in pairs
    ]


@pytest.mark.parametrize("form", FORMS)
def test_gold_of_real_documents_over_all_relations_is_accepted(form: GrammarForm) -> None:
    dataset = load_dataset("redocred", "dev", redocred_dir())
    names = {relation.id: relation.name for relation in dataset.schema.relations}
    for document in list(dataset.documents)[:3]:
        count = len(document.entities)
        pairs = [(head, tail) for head in range(count) for tail in range(count) if head != tail][:40]
        shown = tuple((f"E{head + 1}", f"E{tail + 1}") for head, tail in pairs)
        constraint = PairForm(shown, tuple(names.values()), "closed", True, 4).render(form)
        lines = gold_lines(document, names, pairs)
        for judge in (llguidance_judge(constraint), xgrammar_judge(constraint)):
            assert judge(written(form, lines))
            assert not judge(written(form, [[lines[0][0]._replace(relation="elsewhere")], *lines[1:]]))


def test_fewer_than_one_relation_a_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="max_relations"):
        PairForm((("A", "B"),), ("r",), "closed", True, 0)
