"""From the text of a completion to the entities that it lists, and rejects with reasons.

| Reason           | What became no entity                                             |
|------------------|-------------------------------------------------------------------|
| `malformed`      | a bracketed value without mentions |
| `truncated_line` | an entity that the answer breaks off in                           |
| `prose`          | any other text                                                    |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.parsing.json_values import JsonNode, find_json
from harness.types import Reject

_MENTIONS = ("mentions", "mention", "names", "spans")
_TYPE = ("type", "label", "entity_type")
_TEXT = ("value", "text", "name", "mention", "span")
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
            yield RawEntity(_text(node, _TYPE), mentions)
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
    listed = next((value for key, value in node.values if key.lower() in _MENTIONS), None)
    if isinstance(listed, str):
        return (listed.strip(),) if listed.strip() else ()
    if listed is None:
        return ()
    texts = (value if isinstance(value, str) else _text(value, _TEXT) for _, value in listed.values)
    return tuple(dict.fromkeys(text for text in map(str.strip, texts) if text))


def _text(node: JsonNode, names: tuple[str, ...]) -> str:
    by_name = {key.lower(): value for key, value in node.values}
    return next((value.strip() for name in names if isinstance(value := by_name.get(name), str)), "")


def _prose(text: str) -> Iterator[Reject]:
    said = text.strip().strip(_FENCE).strip()
    if said and said != "json":
        yield Reject("prose", said)
