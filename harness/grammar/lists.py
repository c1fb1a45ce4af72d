"""The grammar of an answer that lists relations, or entities, one a line (AutoRE's relation and head steps)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import assert_never

from harness.escaping import TERMINATOR, format_item
from harness.grammar.notation import gbnf, lark, quoted_choice, quoted_literal, regex_choice, strict_object
from harness.grammar.relations import (
    GrammarLevel,
    allowed_relations,
    relation_gbnf,
    relation_lark,
    relation_regex,
    relation_schema,
)
from harness.types import Constraint, GrammarForm

_LINE_END = "\n"


@dataclass(frozen=True)
class ListGrammar:
    """At most ``max_items`` lines ``ITEM``, each with its line feed, then ``END``.

    At level ``closed`` an item is one of ``items``, which are unescaped: what is repeated counts once, and there
    are no more lines than items. At ``format`` it is free text, as a relation of a triplet is, and ``items`` is not
    used. Nothing keeps an item from being listed twice. An item that is called END is spelled with an escape.

    ``regex``, ``gbnf`` and ``lark`` admit exactly these answers. ``json_schema`` describes ``{name: [ITEM, ...]}``
    with escaped items; at ``format`` an item is any string.

    Raises ValueError for a negative ``max_items``.
    """

    name: str
    items: tuple[str, ...]
    level: GrammarLevel
    max_items: int

    def __post_init__(self) -> None:
        if self.max_items < 0:
            raise ValueError(f"max_items must not be negative, got {self.max_items}")

    def render(self, form: GrammarForm) -> Constraint:
        """The constraint in the notation of ``form``; the same grammar always gives the same text."""
        items = allowed_relations(self.items, self.level)
        bound = self.max_items if items is None else min(self.max_items, len(set(items)))
        match form:
            case "regex":
                text = _regex(items, bound)
            case "gbnf":
                text = _gbnf(items, bound)
            case "lark":
                text = _lark(items, bound)
            case "json_schema":
                text = _json_schema(self.name, items, bound)
            case _:
                assert_never(form)
        return Constraint(form, text)


def _regex(items: tuple[str, ...] | None, bound: int) -> str:
    if not bound:
        return TERMINATOR
    item = relation_regex(None) if items is None else regex_choice(map(format_item, items))
    return rf"(?:{item}\n){{0,{bound}}}{TERMINATOR}"


def _gbnf(items: tuple[str, ...] | None, bound: int) -> str:
    if not bound:
        return gbnf({"root": quoted_literal(TERMINATOR)})
    line = relation_gbnf(None, _LINE_END) if items is None else quoted_choice(map(format_item, items), _LINE_END)
    return gbnf({"root": _answer(bound), "line": line})


def _lark(items: tuple[str, ...] | None, bound: int) -> str:
    if not bound:
        return lark({"start": quoted_literal(TERMINATOR)})
    line = relation_lark(None, _LINE_END) if items is None else quoted_choice(map(format_item, items), _LINE_END)
    return lark({"start": _answer(bound), "line": "LINE", "LINE": line})


def _json_schema(name: str, items: tuple[str, ...] | None, bound: int) -> str:
    item = relation_schema(items) if bound else {"type": "string"}
    listed: dict[str, object] = {"type": "array", "items": item, "maxItems": bound}
    return json.dumps(strict_object({name: listed}), ensure_ascii=False)


def _answer(bound: int) -> str:
    return f"line{{0,{bound}}} {quoted_literal(TERMINATOR)}"
