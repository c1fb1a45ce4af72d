"""Evidence in answers: what engines admit, what is read, and what perfect answers give in every prompt that lists."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.answers.grouped import GROUPED_FORMS, GroupedForm
from harness.answers.grouped_reading import parse_grouped
from harness.answers.pairs import PairForm
from harness.answers.relation_field import GrammarLevel
from harness.answers.triplet_reading import parse_triplets
from harness.answers.triplets import TripletForm, TripletListing
from harness.answers.typed import TypedTripletForm
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.escaping import NO_RELATION
from harness.methods.table import create_method
from harness.scoring.official import score
from harness.types import Completion, Constraint, GrammarForm, Label, RawTriplet, SupportedTriplet
from tests.judges import judges, llguidance_judge
from tests.variants import VARIANTS, extract, kind_of, settings_of

FORMS: tuple[GrammarForm, ...] = ("regex", "gbnf", "lark", "json_schema")
ENTITIES = ("E1", "E2", "E11")
LISTING = TripletForm(ENTITIES, ("country", "part of"), "closed", 3, sentences=12)
FITTING = {("PER", "LOC"): ("country",), ("PER", "PER"): ("part of",)}
TYPED = TypedTripletForm(ENTITIES, ("PER", "LOC", "PER"), FITTING, 3, sentences=12)
OF_A_HEAD = replace(LISTING, level="format", head="E1")
LISTS = [name for name in VARIANTS if kind_of(name).names_evidence]


def supported(*evidence: int, tail: str = "E2") -> SupportedTriplet:
    return SupportedTriplet(RawTriplet("E1", "country", tail), evidence)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("grammar", [LISTING, TYPED, OF_A_HEAD])
def test_exactly_the_sentences_of_the_document_are_admitted_each_once_and_in_order(
    grammar: TripletListing, form: GrammarForm
) -> None:
    output = "json" if form == "json_schema" else "lines"
    found = judges(grammar.render(form))
    for evidence in ((), (0,), (1,), (11,), (0, 1, 2), (1, 10, 11), tuple(range(12))):
        text = grammar.write([supported(*evidence)] * 3, output)
        assert {judge(text) for judge in found.values()} == {True}, text
        read = grammar.read(Completion(text, "stop"))
        assert [(tuple(one), one.evidence) for one in read.entries] == [(("E1", "country", "E2"), evidence)]
        assert (read.rejects, read.repeated) == ((), 2)
    refused = [grammar.write([supported(*evidence)], output) for evidence in ((12,), (0, 12))]
    refused.append(replace(grammar, sentences=0).write([supported()], output))
    if output == "lines":
        refused += [f"(E1 | country | E2 | {field})\nEND" for field in ("", "0,1", "0, ", "-1", "01", "0, -")]
    if form in ("gbnf", "lark"):
        refused += [f"(E1 | country | E2 | {field})\nEND" for field in ("1, 1", "1, 0")]
    for text in refused:
        assert {judge(text) for judge in found.values()} == {False}, text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("level", ["closed", "format"])
def test_each_line_about_a_pair_names_sentences_and_none_names_none(level: GrammarLevel, form: GrammarForm) -> None:
    output = "json" if form == "json_schema" else "lines"
    grammar = PairForm((("E1", "E2"), ("E2", "E11")), ("country", "part of"), level, True, 2, sentences=12)
    both = [supported(0, 11), SupportedTriplet(RawTriplet("E1", "part of", "E2"), ())]
    none = RawTriplet("E2", NO_RELATION, "E11")
    text = grammar.write([*both, none], output)
    judged = judges(grammar.render(form)).values()
    assert {judge(text) for judge in judged} == {True}, text
    read = grammar.read(Completion(text, "stop"))
    assert [(one, one.evidence) for one in read.entries] == [(both[0], (0, 11)), (both[1], ()), (none, ())]
    assert read.rejects == ()
    refused = [replace(grammar, sentences=0).write([*both, none], output), grammar.write([supported(12), none], output)]
    if output == "lines":
        refused += [text.replace("| 0, 11", "| 11, 0")] if form != "regex" else []
        refused += [text.replace("None | E11 | -", "None | E11 | 3")] if level == "closed" else []
        refused += [text.replace("None | E11 | -", "None | E11")]
    for one in refused:
        assert {judge(one) for judge in judged} == {False}, one
    only_none = replace(grammar, level="closed", fitting=((), ("country",)))
    country = SupportedTriplet(RawTriplet("E2", "country", "E11"), (1,))
    said = only_none.write([RawTriplet("E1", NO_RELATION, "E2"), country], output)
    assert {judge(said) for judge in judges(only_none.render(form)).values()} == {True}, said


GROUPS = GroupedForm(("E1", "3", "A | B", "END"), ("country", "part of"), sentences=12)


@pytest.mark.parametrize("form", GROUPED_FORMS)
def test_each_tail_of_a_group_names_sentences(form: GrammarForm) -> None:
    output = "json" if form == "json_schema" else "lines"
    stated = [
        SupportedTriplet(RawTriplet(*one), evidence)
        for one, evidence in [
            (("E1", "country", "3"), (0, 11)),
            (("E1", "country", "A | B"), ()),
            (("E1", "part of", "END"), (3,)),
            (("3", "country", "E1"), tuple(range(12))),
        ]
    ]
    text = GROUPS.write(stated, output)
    judged = judges(GROUPS.render(form)).values()
    assert {judge(text) for judge in judged} == {True}, text
    read = GROUPS.read(Completion(text, "stop"))
    assert {(tuple(one), one.evidence) for one in read.entries} == {(tuple(one), one.evidence) for one in stated}
    assert (read.rejects, read.repeated) == ((), 0)
    refused = [replace(GROUPS, sentences=0).write(stated, output), text.replace("11", "12")]
    if output == "lines":
        assert text.startswith("E1\n- country | 3 | 0, 11 | A \\| B | -\n- part of | END | 3\n3\n- country | E1 | 0, 1")
        refused += [text.replace("| 0, 11 |", field) for field in ("| 11, 0 |", "| 0, 0 |", "|", "| - | - |")]
    for one in refused:
        assert {judge(one) for judge in judged} == {False}, one


@pytest.mark.parametrize(
    ("line", "found", "reasons"),
    [
        ("- r | 3 | 0, 2 | Bo | -", [("3", (0, 2)), ("Bo", ())], []),
        ("- r | 3 | 3", [("3", (3,))], []),
        ("- r | Bo | 3 | Ann | 2", [("Bo", (3,)), ("Ann", (2,))], []),
        ("- r | Bo | Ann", [("Bo", ()), ("Ann", ())], []),
        ("- r | Bo | Ann | 1", [("Bo", ()), ("Ann", (1,))], []),
        ("* r | Bo | sentences 0 and 2", [("Bo", (0, 2))], []),
        ("- r | Bo | [0] | Ann | S3 |", [("Bo", (0,)), ("Ann", (3,))], []),
        ("- r | Bo | 0, 9", [("Bo", (0,))], ["unknown_sentence"]),
        ("- r: Bo, Ann", [("Bo", ()), ("Ann", ())], []),
        ("(E1 | r | Bo | 2)", [("Bo", (2,))], []),
    ],
)
def test_evidence_of_groups_is_read_however_it_is_written(
    line: str, found: list[tuple[str, tuple[int, ...]]], reasons: list[str]
) -> None:
    read = parse_grouped(f"E1\n{line}\nEND", frozenset(["E1", "3", "Bo", "Ann"]), sentences=4)
    assert [(one.tail, one.evidence) for one in read.entries] == found
    assert [one.reason for one in read.rejects] == reasons


@pytest.mark.parametrize(
    ("tails", "found"),
    [
        ('[{"tail": "Bo", "evidence": [0, 2]}, {"tail": "3", "evidence": []}]', [("Bo", (0, 2)), ("3", ())]),
        ('[{"tail": "Bo", "sentences": "S1"}]', [("Bo", (1,))]),
        ('["Bo", "3"]', [("Bo", ()), ("3", ())]),
    ],
)
def test_evidence_of_groups_is_read_in_json(tails: str, found: list[tuple[str, tuple[int, ...]]]) -> None:
    text = f'{{"heads": [{{"head": "E1", "relations": [{{"relation": "r", "tails": {tails}}}]}}]}}'
    read = parse_grouped(text, frozenset(["E1", "3", "Bo"]), sentences=4)
    assert [(one.tail, one.evidence) for one in read.entries] == found
    assert (read.rejects, read.repeated) == ((), 0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("grammar", [LISTING, TYPED])
def test_a_grammar_without_evidence_is_as_it_was(grammar: TripletListing, form: GrammarForm) -> None:
    text = "(E1 | country | E2)\nEND" if form != "json_schema" else '{"triplets": []}'
    constraint: Constraint = replace(grammar, sentences=0).render(form)
    assert "evidence" not in constraint.text
    assert "SENTENCE" not in constraint.text
    assert {judge(text) for judge in judges(constraint).values()} == {True}


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("(E1 | country | E2 | 0, 3)", (0, 3)),
        ("(E1 | country | E2 | 3,0,3)", (0, 3)),
        ("(E1 | country | E2 | -)", ()),
        ("(E1 | country | E2 | none)", ()),
        ("(E1 | country | E2)", ()),
        ("- (E1 | country | E2 | sentence 0 and S3)", (0, 3)),
        ("(E1 | country | E2 | [0][3])", (0, 3)),
        ("(E1 | country | E2 | 0-3)", (0, 1, 2, 3)),
        ("(E1 | country | E2) [0, 3]", (0, 3)),
        ("**(E1 | country | E2)**: evidence: 0, 3", (0, 3)),
        ("E1 | country | E2 | 3", (3,)),
        ("| E1 | country | E2 | 0, 3 |", (0, 3)),
        ("E1 -> country -> E2", ()),
        ('("E1" | "country" | "E2" | "3")', (3,)),
        ('{"triplets": [{"head": "E1", "relation": "country", "tail": "E2", "evidence": [0, 3]}]}', (0, 3)),
        ('{"triplets": [{"head": "E1", "relation": "country", "tail": "E2"}]}', ()),
        ('[{"subject": "E1", "predicate": "country", "object": "E2", "Sentences": "S0, S3"}]', (0, 3)),
        ('[["E1", "country", "E2", [0, 3]]]', (0, 3)),
        ('[{"head": "E1", "relation": "country", "tail": "E2", "evidence": [{"sentence": 3}]}]', (3,)),
    ],
)
def test_evidence_is_read_however_it_is_written(text: str, evidence: tuple[int, ...]) -> None:
    read = parse_triplets(f"{text}\nEND", sentences=4)
    assert [(tuple(one), one.evidence) for one in read.entries] == [(("E1", "country", "E2"), evidence)]
    assert read.rejects == ()


def test_what_is_no_sentence_is_told_and_costs_no_triplet() -> None:
    read = parse_triplets("(E1 | country | E2 | 0, 4)\n(E1 | country | E3 | E2)\n(1 (b) | r | 1900)\nEND", sentences=4)
    assert [(one.tail, one.evidence) for one in read.entries] == [("E2", (0,)), ("E3", ()), ("1900", ())]
    assert [one.reason for one in read.rejects] == ["unknown_sentence", "unknown_sentence"]
    several = parse_triplets("(E1 | r | E2 | 0), (E1 | r | E3) [1]\nEND", sentences=4)
    assert [(one.tail, one.evidence) for one in several.entries] == [("E2", (0,)), ("E3", (1,))]
    cut = parse_triplets(
        '[{"head": "E1", "relation": "r", "tail": "E2", "evidence": [1, 1', truncated=True, sentences=40
    )
    assert [one.evidence for one in cut.entries] == [(1,)]
    assert not parse_triplets("(E1 | r | E2 | 1, 1", truncated=True, sentences=40).entries
    assert not parse_triplets("(E1 | country | E2 | 0)\nEND").entries, "a fourth field that is not asked for"


@pytest.mark.parametrize(
    ("said", "sentences", "is_rejected"),
    [
        ("-1", (), True),
        ("[-2]", (), True),
        ("3-0", (), True),
        ("03, 1", (1, 3), False),
        ("- 2", (2,), False),
        ("0 <img onerror=alert(1)>", (0, 1), True),
        ("0, see above", (0,), True),
        ("sentences 0 and 2", (0, 2), False),
        ("2-999999999", (2, 3), True),
        ("9" * 10_000, (), True),
    ],
)
def test_odd_numbers_are_rejected_not_guessed(said: str, sentences: tuple[int, ...], is_rejected: bool) -> None:
    read = parse_triplets(f"(E1 | country | E2 | {said})\nEND", sentences=4)
    assert [one.evidence for one in read.entries] == [sentences]
    assert [one.reason for one in read.rejects] == ["unknown_sentence"] * is_rejected
    listed = parse_triplets(json.dumps([{"head": "E1", "relation": "r", "tail": "E2", "evidence": said}]), sentences=4)
    assert [one.evidence for one in listed.entries] == [sentences]


@pytest.mark.parametrize("form", ["lark", "json_schema", None])  # the two notations of an answer, and no grammar
@pytest.mark.parametrize("prompt", LISTS)
async def test_perfect_answers_bring_all_evidence_of_the_labels(prompt: str, form: GrammarForm | None) -> None:
    dataset = load_dataset("sample")
    document = list(dataset.documents)[1]
    method = create_method(settings_of(prompt, dataset.schema, form, evidence="sentences"))
    answers = {one.request: one for one in method.demonstrate(document)}
    extraction, requests = await extract(method, document, lambda request: Completion(answers[request].answer, "stop"))
    assert (extraction.status, extraction.rejects) == ("ok", ())
    evidence = {one.triplet: one.evidence for one in extraction.predictions}
    assert evidence == {one.triplet: one.evidence for one in document.labels}
    scores = score([document], {document.title: extraction.predictions})
    assert scores.evidence
    # The official code counts one gold sentence more than there are.
    assert scores.evidence.correct == scores.evidence.predicted == scores.evidence.gold - 1
    for request in requests:
        lists_triplets = answers[request].step in ("extract", "facts", "pairs")
        examples = ("[0, 2]", "| 0, 2)", "| 0, 2 | tail")
        assert any(one in request.messages[-1].content for one in examples) == lists_triplets
        assert "\n[1] " in request.messages[-1].content
        if request.constraint and lists_triplets:
            assert llguidance_judge(request.constraint)(answers[request].answer)


async def test_examples_show_evidence_and_labels_without_any_say_so() -> None:
    dataset = load_dataset("sample")
    shown, document = list(dataset.documents)[:2]
    bare = replace(shown, labels=tuple(Label(one.triplet) for one in shown.labels[:1]))
    settings = settings_of("tagged", dataset.schema, "gbnf", evidence="sentences")
    method = create_method(replace(settings, shots=(shown, bare)))
    (said,) = method.demonstrate(document)
    answers = [message.content for message in said.request.messages if message.role == "assistant"]
    assert [answer.splitlines()[0] for answer in answers] == [
        "(E1 | date of birth | E2 | 0)",
        "(E1 | date of birth | E2 | -)",
    ]
    questions = [message.content for message in said.request.messages if message.role == "user"]
    assert ["\n[0] " in one and "(head | relation | tail | 0, 2)" in one for one in questions] == [True] * 3


def test_prompts_that_list_no_triplets_refuse_evidence() -> None:
    schema = load_dataset("sample").schema
    for prompt in set(VARIANTS) - set(LISTS):
        with pytest.raises(InputError, match="is answered by labels, which leave no place for sentences"):
            create_method(settings_of(prompt, schema, "gbnf", evidence="sentences"))
