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
    fewer than two references, or no relation to choose, only the empty answer is left. ``head``, one of the
    entities, is the only head of every line where the question names it.

    ``gbnf`` and ``lark`` admit exactly these answers. Without a fixed head, ``regex`` and ``json_schema`` also
    admit a head that equals its tail, which alignment rejects: to leave it out, a regular expression needs a copy of
    all relations for every head (25 times the compile time in xgrammar, 12 s in outlines-core; see
    ``docs/grammar.md``), and a schema more enum values than strict mode allows.

    ``json_schema`` describes ``{"triplets": [{"head": ..., "relation": ..., "tail": ...}]}`` with the
    same escaped fields; at ``format`` a relation is any string, as strict modes share no bound on length.
    xgrammar 0.2 misreads enumerated strings in which a digit or a letter from A to F follows a character
    between U+00A0 and U+00FF (``Béatrice``); the other forms are written so that it does not.

    Raises ValueError for a negative ``max_triplets``, and for a ``head`` that is not among the entities.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    level: GrammarLevel
    max_triplets: int
    head: str | None = None

    def __post_init__(self) -> None:
        if self.max_triplets < 0:
            raise ValueError(f"max_triplets must not be negative, got {self.max_triplets}")
        if self.head is not None and self.head not in self.entities:
            raise ValueError(f"head must be one of the entities, got {self.head!r}")

    def render(self, form: GrammarForm) -> Constraint:
        """The constraint in the notation of ``form``; the same grammar always gives the same text."""
        references = longest_first(map(escape, self.entities))
        relations = allowed_relations(self.relations, self.level)
        bound = self.max_triplets if len(references) > 1 and relations != () else 0
        heads = references if self.head is None else [escape(self.head)]
        match form:
            case "regex":
                text = _regex(heads, references, relations, bound)
            case "gbnf":
                text = _gbnf(heads, references, relations, bound)
            case "lark":
                text = _lark(heads, references, relations, bound)
            case "json_schema":
                text = _json_schema(heads, references, relations, bound)
            case _:
                assert_never(form)
        return Constraint(form, text)


def _regex(heads: list[str], references: list[str], relations: tuple[str, ...] | None, bound: int) -> str:
    if not bound:
        return TERMINATOR
    head, tail = regex_choice(heads), regex_choice(_tails(heads, references))
    return rf"(?:\({head} \| {relation_regex(relations)} \| {tail}\)\n){{0,{bound}}}{TERMINATOR}"


def _gbnf(heads: list[str], references: list[str], relations: tuple[str, ...] | None, bound: int) -> str:
    if not bound:
        return gbnf({"root": quoted_literal(TERMINATOR)})
    rules = {"root": _answer(bound), "line": " | ".join(f"line-{i}" for i in range(len(heads)))}
    for i, (head, tails) in enumerate(_pairs(heads, references)):
        rules[f"line-{i}"] = f"{head} relation ({tails})"
    rules["relation"] = relation_gbnf(relations)
    return gbnf(rules)


def _lark(heads: list[str], references: list[str], relations: tuple[str, ...] | None, bound: int) -> str:
    if not bound:
        return lark({"start": quoted_literal(TERMINATOR)})
    rules = {"start": _answer(bound), "line": " | ".join(f"line_{i}" for i in range(len(heads)))}
    for i, (head, tails) in enumerate(_pairs(heads, references)):
        rules[f"line_{i}"] = f"HEAD_{i} RELATION TAIL_{i}"
        rules[f"HEAD_{i}"] = head
        rules[f"TAIL_{i}"] = tails
    rules["RELATION"] = relation_lark(relations)
    return lark(rules)


def _json_schema(heads: list[str], references: list[str], relations: tuple[str, ...] | None, bound: int) -> str:
    head: dict[str, object] = {"type": "string"}
    relation: dict[str, object] = {"type": "string"}
    tail: dict[str, object] = {"type": "string"}
    if bound:
        head["enum"] = heads
        relation = relation_schema(relations)
        tail["enum"] = _tails(heads, references)
    triplet = strict_object({"head": head, "relation": relation, "tail": tail})
    triplets = {"type": "array", "items": triplet, "maxItems": bound}
    return json.dumps(strict_object({"triplets": triplets}), ensure_ascii=False)


def _answer(bound: int) -> str:
    return f"line{{0,{bound}}} {quoted_literal(TERMINATOR)}"


def _tails(heads: list[str], references: list[str]) -> list[str]:
    """What can be a tail whichever the head: all references, but for the only head."""
    return references if len(heads) > 1 else [reference for reference in references if reference not in heads]


def _pairs(heads: list[str], references: list[str]) -> list[tuple[str, str]]:
    """For every head, the literal that opens its lines and the choice of all other references."""
    tails = {reference: quoted_literal(reference + _LINE_END) for reference in references}
    return [
        (
            quoted_literal(f"({head}{SEPARATOR}"),
            " | ".join(tail for reference, tail in tails.items() if reference != head),
        )
        for head in heads
    ]
