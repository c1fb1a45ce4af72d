"""Triplets in JSON, or in what a model wrote for JSON (``loose_json``).

A triplet is an object with a head, a relation and a tail (or the synonyms in ``_FIELD_NAMES``), or a
list of three texts, at any depth. A list of three texts that is a property of an object counts only if
the property's name says so: ``"triplet": [...]``, but not ``"entities": [...]``. Texts of a list that
hold ``|`` are read as lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.escaping import unescape
from harness.parsing.lines import has_separator, read_line
from harness.parsing.loose_json import Node, find_beginning, read_value
from harness.types import RawTriplet, Reject

_FIELD_NAMES = (
    ("head", "subject", "head_entity", "source", "h"),
    ("relation", "predicate", "relation_type", "type", "r"),
    ("tail", "object", "tail_entity", "target", "t"),
)
_NAMES_TRIPLETS = re.compile("tripl|relation|fact")


@dataclass(frozen=True, slots=True)
class JsonBlock:
    """What the JSON in ``[start, end)`` of a text holds; ``closed`` if its last bracket is there too."""

    start: int
    end: int
    closed: bool
    entries: tuple[RawTriplet | Reject, ...]

    @property
    def has_triplets(self) -> bool:
        return any(isinstance(entry, RawTriplet) for entry in self.entries)


def find_json(text: str, start: int, end: int) -> JsonBlock | None:
    """The JSON that begins within ``[start, end)``, a line of ``text``; it may end in a later line."""
    beginning = find_beginning(text, start, end)
    if beginning is None:
        return None
    root = read_value(text, beginning)
    return JsonBlock(root.start, root.end, root.closed, tuple(_entries(root, text)))


def _entries(root: Node, text: str) -> Iterator[RawTriplet | Reject]:
    pending = [("", root)]
    while pending:
        name, node = pending.pop()
        fields = _fields(node, name)
        if fields is not None:
            yield _triplet(fields, text[node.start : node.end])
            continue
        texts = [value for _, value in node.values if isinstance(value, str)]
        children = [(key, value) for key, value in node.values if isinstance(value, Node)]
        if not node.is_object and any(map(has_separator, texts)):
            for line in filter(None, map(str.strip, texts)):
                yield from read_line(line)
        elif not children and (texts or node.loose):
            yield Reject("malformed" if node.closed else "truncated_line", text[node.start : node.end])
        pending.extend(reversed(children))


def _fields(node: Node, name: str) -> list[str] | None:
    """Head, relation and tail if ``node``, a property ``name`` or an item of a list, is a triplet."""
    if node.is_object:
        by_name = {key.lower(): value for key, value in node.values}
        found = [next((by_name[n] for n in names if n in by_name), None) for names in _FIELD_NAMES]
    elif name and not _NAMES_TRIPLETS.search(name.lower()):
        return None
    else:
        found = [value for _, value in node.values]
    fields = [value for value in found if isinstance(value, str)]
    if len(found) != 3 or len(fields) != 3:
        return None
    return None if not node.is_object and any(map(has_separator, fields)) else fields


def _triplet(fields: list[str], source: str) -> RawTriplet | Reject:
    if not all(map(str.strip, fields)):
        return Reject("empty_field", source)
    head, relation, tail = (unescape(value.strip()) for value in fields)
    return RawTriplet(head, relation, tail)
