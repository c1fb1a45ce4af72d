"""The grammar of an answer that lists the entities of a document with their coreferent mentions, as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import assert_never

from harness.grammar.notation import (
    gbnf,
    lark,
    quoted_choice,
    quoted_literal,
    regex_choice,
    regex_literal,
    strict_object,
)
from harness.types import Constraint, GrammarForm

MENTION_CHARACTERS = 80

_OPEN, _CLOSE = '{"entities": [', "]}"
_TYPE, _MENTIONS, _ENTITY_END = '{"type": "', '", "mentions": [', "]}"

# The characters of JSON strings that every engine reads alike when raw, as in the free relations, and the
# two that JSON escapes.
_CHARACTER = "[!#-\\[\\]-~¡-ᙿᚁ-῿‐-‧、-퟿]"
_ESCAPED = ('\\"', "\\\\")


@dataclass(frozen=True)
class EntityGrammar:
    """``{"entities": [{"type": ..., "mentions": ["...", ...]}, ...]}`` on one line, its end mandatory.

    There are at most ``max_entities`` entities, each of one of ``types`` with 1 to ``max_mentions``
    mentions. A mention is free text of at most 80 characters with single spaces between them; whether it
    occurs in the document is judged when the answer is grounded. ``json_schema`` leaves its length and the
    white space between values open, as strict modes share no bound on them.

    Raises ValueError unless there is a type and both bounds are positive.
    """

    types: tuple[str, ...]
    max_entities: int
    max_mentions: int

    def __post_init__(self) -> None:
        if not self.types or self.max_entities < 1 or self.max_mentions < 1:
            raise ValueError("an entity grammar needs a type, and room for one entity with one mention")

    def render(self, form: GrammarForm) -> Constraint:
        """The constraint in the notation of ``form``; the same grammar always gives the same text."""
        match form:
            case "regex":
                text = self._regex()
            case "gbnf":
                text = self._gbnf()
            case "lark":
                text = self._lark()
            case "json_schema":
                text = self._json_schema()
            case _:
                assert_never(form)
        return Constraint(form, text)

    def _regex(self) -> str:
        mention = f'"{_mention_regex()}"'
        mentions = f"{mention}(?:, {mention}){{0,{self.max_mentions - 1}}}"
        kind = regex_choice(self.types)
        entity = f"{regex_literal(_TYPE)}{kind}{regex_literal(_MENTIONS)}{mentions}{regex_literal(_ENTITY_END)}"
        return f"{regex_literal(_OPEN)}(?:{entity}(?:, {entity}){{0,{self.max_entities - 1}}})?{regex_literal(_CLOSE)}"

    def _gbnf(self) -> str:
        escaped = " | ".join(map(quoted_literal, _ESCAPED))
        quote, comma = quoted_literal('"'), quoted_literal(", ")
        return gbnf(
            {
                "root": self._answer("entity", comma),
                "entity": f"{quoted_literal(_TYPE)} type {self._mentions('mention', comma)}",
                "type": quoted_choice(self.types, _MENTIONS),
                "mention": f'{quote} character (" "? character){{0,{MENTION_CHARACTERS - 1}}} {quote}',
                "character": f"{_CHARACTER} | {escaped}",
            }
        )

    def _lark(self) -> str:
        # A mention is one terminal, whose closing quote shows where it ends.
        return lark(
            {
                "start": self._answer("entity", quoted_literal(", ")),
                "entity": f"{quoted_literal(_TYPE)} TYPE {self._mentions('MENTION', quoted_literal(', '))}",
                "TYPE": quoted_choice(self.types, _MENTIONS),
                "MENTION": f'/"{_mention_regex()}"/',
            }
        )

    def _answer(self, entity: str, comma: str) -> str:
        rest = f"({comma} {entity}){{0,{self.max_entities - 1}}}"
        return f"{quoted_literal(_OPEN)} ({entity} {rest})? {quoted_literal(_CLOSE)}"

    def _mentions(self, mention: str, comma: str) -> str:
        return f"{mention} ({comma} {mention}){{0,{self.max_mentions - 1}}} {quoted_literal(_ENTITY_END)}"

    def _json_schema(self) -> str:
        mentions: dict[str, object] = {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": self.max_mentions,
        }
        entity = strict_object({"type": {"type": "string", "enum": list(self.types)}, "mentions": mentions})
        entities = {"type": "array", "items": entity, "maxItems": self.max_entities}
        return json.dumps(strict_object({"entities": entities}), ensure_ascii=False)


def _mention_regex() -> str:
    character = f"(?:{_CHARACTER}|{'|'.join(map(regex_literal, _ESCAPED))})"
    return f"{character}(?: ?{character}){{0,{MENTION_CHARACTERS - 1}}}"
