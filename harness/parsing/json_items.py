"""Triplets in JSON, or in what a model wrote for JSON: with single quotes, with tuples, cut off.

A triplet is an object with a head, a relation and a tail (or the synonyms in ``_FIELD_NAMES``), or a
list of three texts, at any depth. A list of three texts that is a property of an object counts only if
the property's name says so: ``"triplet": [...]``, but not ``"entities": [...]``. Texts of a list that
hold ``|`` are read as lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.escaping import unescape
from harness.parsing.lines import has_separator, read_line
from harness.types import RawTriplet, Reject

_BEGINNING = re.compile(r"""[\[{]\s*(?:["'\[{(\]}]|$)""")
_TOKEN = re.compile(
    r"""
      (?P<quoted> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.|'(?=\w))*' )
    | (?P<opening> [\[{(] )
    | (?P<closing> [\]})] )
    | (?P<colon> : )
    | (?P<space> [\s,]+ )
    | (?P<unclosed> ["'].* )
    | (?P<bare> [^,:\[\]{}()\n]+ )
    """,
    re.VERBOSE,
)
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
    beginning = _BEGINNING.search(text, start, end)
    if beginning is None:
        return None
    root = _read(text, beginning.start())
    return JsonBlock(root.start, root.end, root.closed, tuple(_entries(root, text)))


@dataclass(slots=True)
class _Node:
    """An object, whose values have names, or a list. ``loose`` is text that is no complete value."""

    start: int
    end: int
    values: list[tuple[str, str | _Node]] = field(default_factory=list)
    loose: str = ""
    is_object: bool = False
    closed: bool = False

    def add(self, value: str | _Node) -> None:
        self.values.append((self.loose, value))
        self.loose = ""

    def name_next_value(self) -> None:
        if self.is_object and self.values:
            _, name = self.values[-1]
            if isinstance(name, str):
                self.values.pop()
                self.loose = name


def _read(text: str, start: int) -> _Node:
    """The bracketed value that begins at ``start``; never fails, and never goes back in ``text``."""
    root = _Node(start, len(text), is_object=text[start] == "{")
    path = [root]
    for token in _TOKEN.finditer(text, start + 1):
        node = path[-1]
        match token.lastgroup:
            case "opening":
                child = _Node(token.start(), len(text), is_object=token[0] == "{")
                node.add(child)
                path.append(child)
            case "closing":
                node.end, node.closed = token.end(), True
                path.pop()
                if not path:
                    break
            case "quoted":
                node.add(_unquote(token[0]))
            case "bare" if token.end() < len(text):
                bare = token[0].strip()
                node.add("" if bare in ("null", "None") else bare)
            case "bare" | "unclosed":
                node.loose = token[0]
            case "colon":
                node.name_next_value()
    return root


def _unquote(quoted: str) -> str:
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        text: str = json.loads(quoted, strict=False)
    except ValueError:  # single quotes, or an escape such as \| that JSON does not have
        return quoted[1:-1]
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _entries(root: _Node, text: str) -> Iterator[RawTriplet | Reject]:
    pending = [("", root)]
    while pending:
        name, node = pending.pop()
        fields = _fields(node, name)
        if fields is not None:
            yield _triplet(fields, text[node.start : node.end])
            continue
        texts = [value for _, value in node.values if isinstance(value, str)]
        children = [(key, value) for key, value in node.values if isinstance(value, _Node)]
        if not node.is_object and any(map(has_separator, texts)):
            for line in filter(None, map(str.strip, texts)):
                yield from read_line(line)
        elif not children and (texts or node.loose):
            yield Reject("malformed" if node.closed else "truncated_line", text[node.start : node.end])
        pending.extend(reversed(children))


def _fields(node: _Node, name: str) -> list[str] | None:
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
