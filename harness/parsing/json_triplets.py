"""Triplets in JSON, or in what a model wrote for JSON: with single quotes, with tuples, cut off.

A triplet is an object with a head, a relation and a tail (or the synonyms in ``_FIELD_NAMES``), or a
list of three texts, at any depth. A list of three texts that is a property of an object counts only if
the property's name says so: ``"triplet": [...]``, but not ``"entities": [...]``. Texts of a list that
hold ``|`` are read as lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.escaping import unescape
from harness.parsing.json_values import JsonNode
from harness.parsing.lines import has_separator, read_line
from harness.types import RawTriplet, Reject

_FIELD_NAMES = (
    ("head", "subject", "head_entity", "source", "h"),
    ("relation", "predicate", "relation_type", "type", "r"),
    ("tail", "object", "tail_entity", "target", "t"),
)
_NAMES_TRIPLETS = re.compile("tripl|relation|fact")


def triplets_in_json(root: JsonNode, text: str) -> Iterator[RawTriplet | Reject]:
    """The triplets and rejects in JSON that was found in ``text``, in order."""
    pending = [("", root)]
    while pending:
        name, node = pending.pop()
        fields = _fields(node, name)
        if fields is not None:
            yield _triplet(fields, text[node.start : node.end])
            continue
        texts = [value for _, value in node.values if isinstance(value, str)]
        children = [(key, value) for key, value in node.values if isinstance(value, JsonNode)]
        if not node.is_object and any(map(has_separator, texts)):
            for line in filter(None, map(str.strip, texts)):
                yield from read_line(line)
        elif not children and (texts or node.loose):
            yield Reject("malformed" if node.closed else "truncated_line", text[node.start : node.end])
        pending.extend(reversed(children))


def _fields(node: JsonNode, name: str) -> list[str] | None:
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
