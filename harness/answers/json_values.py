"""JSON, or what a model wrote for JSON, as a tree of its objects and lists: never fails, cut off or not."""

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


@dataclass(slots=True)
class JsonNode:
    """An object, whose values have names, or a list. ``loose`` is text that is no complete value."""

    start: int
    end: int
    values: list[tuple[str, str | JsonNode]] = field(default_factory=list)
    loose: str = ""
    is_object: bool = False
    closed: bool = False

    def add(self, value: str | JsonNode) -> None:
        self.values.append((self.loose, value))
        self.loose = ""

    def name_next_value(self) -> None:
        if self.is_object and self.values:
            _, name = self.values[-1]
            if isinstance(name, str):
                self.values.pop()
                self.loose = name


def find_json(text: str, start: int, end: int) -> JsonNode | None:
    """The JSON that begins within ``[start, end)``, a line of ``text``; it may end in a later line."""
    beginning = _BEGINNING.search(text, start, end)
    return beginning and _read(text, beginning.start())


def _read(text: str, start: int) -> JsonNode:
    """The bracketed value that begins at ``start``; never fails, and never goes back in ``text``."""
    root = JsonNode(start, len(text), is_object=text[start] == "{")
    path = [root]
    for token in _TOKEN.finditer(text, start + 1):
        node = path[-1]
        match token.lastgroup:
            case "opening":
                child = JsonNode(token.start(), len(text), is_object=token[0] == "{")
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
