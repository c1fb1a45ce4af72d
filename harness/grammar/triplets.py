"""The grammar of an answer that lists triplets over the entities of one document."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import assert_never

from harness.escaping import SEPARATOR, TERMINATOR, escape
from harness.grammar.notation import (
    gbnf,
    lark,
    longest_first,
    quoted_literal,
    regex_choice,
    strict_object,
)
from harness.grammar.relations import (
    GrammarLevel,
    allowed_relations,
    relation_gbnf,
    relation_lark,
    relation_regex,
    relation_schema,
)
from harness.types import Constraint, GrammarForm

_LINE_END = ")\n"


@dataclass(frozen=True)
class TripletGrammar:
    """At most ``max_triplets`` lines ``(HEAD | RELATION | TAIL)``, each with its line feed, then ``END``.

    ``entities`` are the references that the prompt shows (ids or names) and ``relations`` the relation
    names, both unescaped; what is repeated counts once. At level ``closed`` every field is one of them;
    at ``format`` the relation is free text and ``relations`` is not used. Head and tail differ, so with
    fewer than two references, or no relation to choose, only the empty answer is left.

    ``gbnf`` and ``lark`` admit exactly these answers. ``regex`` and ``json_schema`` also admit a head
    that equals its tail, which alignment rejects: to leave it out, a regular expression needs a copy of
    all relations for every head (25 times the compile time in xgrammar, 12 s in outlines-core; see
    ``docs/grammar.md``), and a schema more enum values than strict mode allows.

    ``json_schema`` describes ``{"triplets": [{"head": ..., "relation": ..., "tail": ...}]}`` with the
    same escaped fields; at ``format`` a relation is any string, as strict modes share no bound on length.
    xgrammar 0.2 misreads enumerated strings in which a digit or a letter from A to F follows a character
    between U+00A0 and U+00FF (``Béatrice``); the other forms are written so that it does not.

    Raises ValueError for a negative ``max_triplets``.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    level: GrammarLevel
    max_triplets: int

    def __post_init__(self) -> None:
        if self.max_triplets < 0:
            raise ValueError(f"max_triplets must not be negative, got {self.max_triplets}")

    def render(self, form: GrammarForm) -> Constraint:
        """The constraint in the notation of ``form``; the same grammar always gives the same text."""
        references = longest_first(map(escape, self.entities))
        relations = allowed_relations(self.relations, self.level)
        bound = self.max_triplets if len(references) > 1 and relations != () else 0
        match form:
            case "regex":
                text = _regex(references, relations, bound)
            case "gbnf":
                text = _gbnf(references, relations, bound)
            case "lark":
                text = _lark(references, relations, bound)
            case "json_schema":
                text = _json_schema(references, relations, bound)
            case _:
                assert_never(form)
        return Constraint(form, text)


def _regex(references: list[str], relations: tuple[str, ...] | None, bound: int) -> str:
    if not bound:
        return TERMINATOR
    entity = regex_choice(references)
    return rf"(?:\({entity} \| {relation_regex(relations)} \| {entity}\)\n){{0,{bound}}}{TERMINATOR}"


def _gbnf(references: list[str], relations: tuple[str, ...] | None, bound: int) -> str:
    if not bound:
        return gbnf({"root": quoted_literal(TERMINATOR)})
    rules = {"root": _answer(bound), "line": " | ".join(f"line-{i}" for i in range(len(references)))}
    for i, (head, tails) in enumerate(_pairs(references)):
        rules[f"line-{i}"] = f"{head} relation ({tails})"
    rules["relation"] = relation_gbnf(relations)
    return gbnf(rules)


def _lark(references: list[str], relations: tuple[str, ...] | None, bound: int) -> str:
    if not bound:
        return lark({"start": quoted_literal(TERMINATOR)})
    rules = {"start": _answer(bound), "line": " | ".join(f"line_{i}" for i in range(len(references)))}
    for i, (head, tails) in enumerate(_pairs(references)):
        rules[f"line_{i}"] = f"HEAD_{i} RELATION TAIL_{i}"
        rules[f"HEAD_{i}"] = head
        rules[f"TAIL_{i}"] = tails
    rules["RELATION"] = relation_lark(relations)
    return lark(rules)


def _json_schema(references: list[str], relations: tuple[str, ...] | None, bound: int) -> str:
    entity: dict[str, object] = {"type": "string"}
    relation: dict[str, object] = {"type": "string"}
    if bound:
        entity["enum"] = references
        relation = relation_schema(relations)
    triplet = strict_object({"head": entity, "relation": relation, "tail": entity})
    triplets = {"type": "array", "items": triplet, "maxItems": bound}
    return json.dumps(strict_object({"triplets": triplets}), ensure_ascii=False)


def _answer(bound: int) -> str:
    return f"line{{0,{bound}}} {quoted_literal(TERMINATOR)}"


def _pairs(references: list[str]) -> list[tuple[str, str]]:
    """For every reference, the literal that opens its lines and the choice of all other references."""
    tails = [quoted_literal(reference + _LINE_END) for reference in references]
    return [
        (quoted_literal(f"({reference}{SEPARATOR}"), " | ".join(tails[:i] + tails[i + 1 :]))
        for i, reference in enumerate(references)
    ]
