"""Answers that list the entities of a document with their coreferent mentions, as JSON.

| Reason           | What became no entity                                             |
|------------------|-------------------------------------------------------------------|
| `malformed`      | a bracketed value without mentions |
| `truncated_line` | an entity that the answer breaks off in                           |
| `prose`          | any other text                                                    |
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.answers.base import AnswerForm, Output
from harness.answers.json_values import JsonNode, find_json
from harness.answers.notation import (
    gbnf,
    lark,
    quoted_choice,
    quoted_literal,
    regex_choice,
    regex_literal,
    strict_object,
)
from harness.answers.relation_field import OTHER_CHARACTERS
from harness.answers.status import bad_ending
from harness.types import Completion, Reject, Status

MENTION_CHARACTERS = 80
MENTION_WORDS = 20
"""Words of a mention in GBNF and Lark; a regular expression counts its characters."""
WORD_ESCAPES = 4
"""Characters of a word that JSON escapes, in GBNF and Lark."""

_OPEN, _CLOSE = '{"entities": [', "]}"
_TYPE, _MENTIONS, _ENTITY_END = '{"type": "', '", "mentions": [', "]}"

# The characters of JSON strings that every engine reads alike when raw, as in the free relations, and the
# two that JSON escapes.
_CHARACTER = f"[!#-\\[\\]-~{OTHER_CHARACTERS}]"
_ESCAPED = ('\\"', "\\\\")

_MENTION_NAMES = ("mentions", "mention", "names", "spans")
_TYPE_NAMES = ("type", "label", "entity_type")
_TEXT_NAMES = ("value", "text", "name", "mention", "span")
_FENCE = "`"


@dataclass(frozen=True, slots=True)
class RawEntity:
    """An entity as the model wrote it: its type (may be empty) and its distinct mentions (at least one)."""

    type: str
    mentions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParsedEntities:
    """The entities of an answer and its rejects, both in order; ``closed`` if its JSON came to its end."""

    entities: tuple[RawEntity, ...]
    rejects: tuple[Reject, ...]
    closed: bool


@dataclass(frozen=True)
class EntityForm(AnswerForm[ParsedEntities]):
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
            raise ValueError("an entity grammar needs a type, at least one entity and at least one mention")

    def regex(self) -> str:
        mention = f'"{_mention_regex()}"'
        mentions = f"{mention}(?:, {mention}){{0,{self.max_mentions - 1}}}"
        kind = regex_choice(self.types)
        entity = f"{regex_literal(_TYPE)}{kind}{regex_literal(_MENTIONS)}{mentions}{regex_literal(_ENTITY_END)}"
        return f"{regex_literal(_OPEN)}(?:{entity}(?:, {entity}){{0,{self.max_entities - 1}}})?{regex_literal(_CLOSE)}"

    def gbnf(self) -> str:
        escaped = " | ".join(map(quoted_literal, _ESCAPED))
        quote, comma = quoted_literal('"'), quoted_literal(", ")
        return gbnf(
            {
                "root": self._answer("entity", comma),
                "entity": f"{quoted_literal(_TYPE)} type {self._mentions('mention', comma)}",
                "type": quoted_choice(self.types, _MENTIONS),
                # Words are counted, and the characters between those that are escaped: what fits in two ways costs
                # xgrammar 130 ms for the mask of each token.
                "mention": f'{quote} word (" " word){{0,{MENTION_WORDS - 1}}} {quote}',
                "word": f"run (escaped run?){{0,{WORD_ESCAPES - 1}}} | (escaped run?){{1,{WORD_ESCAPES}}}",
                "run": f"{_CHARACTER}{{1,{MENTION_CHARACTERS}}}",
                "escaped": escaped,
            }
        )

    def lark(self) -> str:
        # A mention is one terminal, whose closing quote shows where it ends.
        return lark(
            {
                "start": self._answer("entity", quoted_literal(", ")),
                "entity": f"{quoted_literal(_TYPE)} TYPE {self._mentions('MENTION', quoted_literal(', '))}",
                "TYPE": quoted_choice(self.types, _MENTIONS),
                "MENTION": f'/"{_word_regex()}(?: {_word_regex()}){{0,{MENTION_WORDS - 1}}}"/',
            }
        )

    def json_schema(self) -> dict[str, object]:
        mentions: dict[str, object] = {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": self.max_mentions,
        }
        entity = strict_object({"type": {"type": "string", "enum": list(self.types)}, "mentions": mentions})
        entities = {"type": "array", "items": entity, "maxItems": self.max_entities}
        return strict_object({"entities": entities})

    def write(self, content: Sequence[RawEntity], output: Output) -> str:  # noqa: ARG002 - JSON in either notation
        """The answer that lists the entities of ``content``."""
        listed = [{"type": entity.type, "mentions": list(entity.mentions)} for entity in content]
        return json.dumps({"entities": listed}, ensure_ascii=False)

    def read(self, completion: Completion) -> ParsedEntities:
        return parse_entities(completion.text)

    def status(self, completion: Completion, reading: ParsedEntities) -> tuple[Status, str]:
        if ending := bad_ending(completion, is_whole=reading.closed):
            return ending
        if not reading.closed:
            return "invalid_output", "the answer is no JSON list of entities that comes to its end"
        return "ok", ""

    def _answer(self, entity: str, comma: str) -> str:
        rest = f"({comma} {entity}){{0,{self.max_entities - 1}}}"
        return f"{quoted_literal(_OPEN)} ({entity} {rest})? {quoted_literal(_CLOSE)}"

    def _mentions(self, mention: str, comma: str) -> str:
        return f"{mention} ({comma} {mention}){{0,{self.max_mentions - 1}}} {quoted_literal(_ENTITY_END)}"


def _mention_regex() -> str:
    character = f"(?:{_CHARACTER}|{'|'.join(map(regex_literal, _ESCAPED))})"
    return f"{character}(?: ?{character}){{0,{MENTION_CHARACTERS - 1}}}"


def _word_regex() -> str:
    """The words of GBNF's mentions as a regular expression."""
    run = f"{_CHARACTER}{{1,{MENTION_CHARACTERS}}}"
    escaped = f"(?:{'|'.join(map(regex_literal, _ESCAPED))})"
    return f"(?:{run}(?:{escaped}(?:{run})?){{0,{WORD_ESCAPES - 1}}}|(?:{escaped}(?:{run})?){{1,{WORD_ESCAPES}}})"


def parse_entities(text: str) -> ParsedEntities:
    """Read the entities in ``text``, whatever stands around them; never fails, and takes linear time.

    An entity is an object with a list of mentions, at any depth; a mention is a text, or an object that
    holds one under a name such as ``value`` (GLiDRE, Figure 3).
    """
    entities: list[RawEntity] = []
    rejects: list[Reject] = []
    closed = False
    position = 0
    while root := find_json(text, position, len(text)):
        rejects.extend(_prose(text[position : root.start]))
        for entry in _entries(root, text):
            if isinstance(entry, Reject):
                rejects.append(entry)
            else:
                entities.append(entry)
        closed, position = root.closed, root.end
    rejects.extend(_prose(text[position:]))
    return ParsedEntities(tuple(entities), tuple(rejects), closed)


def _entries(root: JsonNode, text: str) -> Iterator[RawEntity | Reject]:
    pending = [root]
    while pending:
        node = pending.pop()
        children = [value for _, value in node.values if isinstance(value, JsonNode)]
        mentions = _mentions(node)
        if mentions and node.closed:
            yield RawEntity(_text(node, _TYPE_NAMES), mentions)
        elif not node.closed and (mentions or not children):
            yield Reject("truncated_line", text[node.start : node.end])
        elif not children and (node.values or node.loose):
            yield Reject("malformed", text[node.start : node.end])
        else:
            pending.extend(reversed(children))


def _mentions(node: JsonNode) -> tuple[str, ...]:
    """The distinct texts of the entity's list of mentions; empty if ``node`` is no entity."""
    if not node.is_object:
        return ()
    listed = next((value for key, value in node.values if key.lower() in _MENTION_NAMES), None)
    if isinstance(listed, str):
        return (listed.strip(),) if listed.strip() else ()
    if listed is None:
        return ()
    texts = (value if isinstance(value, str) else _text(value, _TEXT_NAMES) for _, value in listed.values)
    return tuple(dict.fromkeys(text for text in map(str.strip, texts) if text))


def _text(node: JsonNode, names: tuple[str, ...]) -> str:
    by_name = {key.lower(): value for key, value in node.values}
    return next((value.strip() for name in names if isinstance(value := by_name.get(name), str)), "")


def _prose(text: str) -> Iterator[Reject]:
    said = text.strip().strip(_FENCE).strip()
    if said and said != "json":
        yield Reject("prose", said)
