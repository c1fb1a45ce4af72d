"""Entity grammars: engines accept exactly the legal answers, which parse back to their entities."""

from __future__ import annotations

import json

import pytest

from harness.answers.entities import EntityForm, RawEntity, parse_entities
from harness.types import GrammarForm
from tests.judges import judges

LINE_FORMS: tuple[GrammarForm, ...] = ("regex", "gbnf", "lark")
# Small bounds: what outlines-core needs for a regular expression grows with their product.
GRAMMAR = EntityForm(("PER", "LOC"), 2, 2)
LEGAL = (
    [],
    [("PER", ["Zoë É. d'Ab", 'the "old" | (one)'])],
    [("LOC", ["東京（都），𠮷", "C:\\x"]), ("PER", ["x" * 80])],
)


def written(entities: list[tuple[str, list[str]]]) -> str:
    listed = [{"type": kind, "mentions": mentions} for kind, mentions in entities]
    return json.dumps({"entities": listed}, ensure_ascii=False)


@pytest.mark.parametrize("form", [*LINE_FORMS, "json_schema"])
def test_legal_answers_are_accepted_and_parse_back(form: GrammarForm) -> None:
    for name, judge in judges(GRAMMAR.render(form)).items():
        for entities in LEGAL:
            assert judge(written(entities)), (name, entities)
    for entities in LEGAL:
        parsed = parse_entities(written(entities))
        assert parsed.entities == tuple(RawEntity(kind, tuple(mentions)) for kind, mentions in entities)
        assert (parsed.rejects, parsed.closed) == ((), True)


@pytest.mark.parametrize("form", LINE_FORMS)
def test_other_answers_are_rejected(form: GrammarForm) -> None:
    legal = written([("PER", ["Bo", "he"])])
    illegal = [
        legal[:-1], legal[:-2], legal + "\n", " " + legal, "", "[]",
        legal.replace('"he"', '"he'), legal.replace('"Bo"', '""'), legal.replace("Bo", "B  o"),
        legal.replace("Bo", " Bo"), legal.replace("Bo", "B\no"), legal.replace("PER", "ORG"),
        written([("PER", ["x" * 81])]), written([("PER", [])]),
        written([("PER", ["a", "b", "c"])]), written([("PER", ["a"])] * 3),
    ]  # fmt: skip
    for name, judge in judges(GRAMMAR.render(form)).items():
        for completion in illegal:
            assert not judge(completion), (name, completion)


@pytest.mark.parametrize("bounds", [((), 1, 1), (("PER",), 0, 1), (("PER",), 1, 0)])
def test_a_grammar_without_room_is_refused(bounds: tuple[tuple[str, ...], int, int]) -> None:
    with pytest.raises(ValueError, match="at least one entity"):
        EntityForm(*bounds)
