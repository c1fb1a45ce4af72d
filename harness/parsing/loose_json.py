"""Bracketed values in what a model wrote for JSON: with single quotes, with tuples, cut off, amid prose."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

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


def find_beginning(text: str, start: int, end: int) -> int | None:
    """The index of the bracket that opens the first value within ``[start, end)``; None if there is none."""
    match = _BEGINNING.search(text, start, end)
    return None if match is None else match.start()


@dataclass(slots=True)
class Node:
    """An object, whose values have names, or a list; in the text it is ``[start, end)``.

    ``loose`` is text that is no complete value; ``closed`` says that its own bracket ends it.
    """

    start: int
    end: int
    values: list[tuple[str, str | Node]] = field(default_factory=list)
    loose: str = ""
    is_object: bool = False
    closed: bool = False

    def add(self, value: str | Node) -> None:
        self.values.append((self.loose, value))
        self.loose = ""

    def name_next_value(self) -> None:
        if self.is_object and self.values:
            _, name = self.values[-1]
            if isinstance(name, str):
                self.values.pop()
                self.loose = name


def read_value(text: str, start: int) -> Node:
    """The bracketed value that begins at ``start``; never fails, and never goes back in ``text``."""
    root = Node(start, len(text), is_object=text[start] == "{")
    path = [root]
    for token in _TOKEN.finditer(text, start + 1):
        node = path[-1]
        match token.lastgroup:
            case "opening":
                child = Node(token.start(), len(text), is_object=token[0] == "{")
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
