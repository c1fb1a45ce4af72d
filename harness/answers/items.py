"""Answers that list relations, or entities, one a line (AutoRE's relation and head steps).

A line that is a known item, escaped, is read as that. Any other line is freed of
bullets, numbering, emphasis, quotes and brackets, and is then the first of these that fits:

1. one item, if it is known as it stands;
2. several, between ``|``, commas, semicolons, tabs or *and*, if all are known;
3. one known item with an explanation after a colon, a dash, an equals sign or an opening bracket;
4. known items after a heading and a colon;
5. several items, known or not, if one of them is known, if they are in brackets, or if they are three or more, short;
6. prose, if it ends like a sentence or a heading, or has more words than a name has; else one item that is not known.

In JSON, every text of a list is read in this way; of an object it is the first known text or name, else its first text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.alignment.normalise import normalise
from harness.answers.base import Output
from harness.answers.json_values import JsonNode
from harness.answers.notation import gbnf, lark, quoted_choice, quoted_literal, regex_choice, strict_object
from harness.answers.reader import AnswerReader, ListingForm, Parsed
from harness.answers.relation_field import (
    GrammarLevel,
    allowed_relations,
    relation_gbnf,
    relation_lark,
    relation_regex,
    relation_schema,
)
from harness.answers.triplet_reading import (
    CLOSING,
    LONGEST_NAME,
    QUOTES,
    is_exact,
    says_nothing,
    without_ornaments,
)
from harness.escaping import TERMINATOR, escape, format_item, unescape
from harness.types import Completion, Reject

Known = Callable[[str], bool]

_LINE_END = "\n"
_BETWEEN = re.compile(r"(?<!\\)\||[,;\t]")
_BETWEEN_OR_AND = re.compile(r"(?<!\\)\||[,;\t]| and ")
_EXPLAINED = re.compile(r"[:=(\[–—]| -")
_PUNCTUATION = " .,;:"
_SHORT = 5  # words
_LONGEST_EXPLAINED = 200  # characters


@dataclass(frozen=True)
class ListForm(ListingForm[str]):
    """At most ``max_items`` lines ``ITEM``, each with its line feed, then ``END``.

    At level ``closed`` an item is one of ``items``, which are unescaped: what is repeated counts once, and there
    are no more lines than items. At ``format`` it is free text, as a relation of a triplet is, and ``items`` is not
    used. Nothing keeps an item from being listed twice. An item that is called END is spelled with an escape.

    ``regex``, ``gbnf`` and ``lark`` admit exactly these answers. ``json_schema`` describes ``{name: [ITEM, ...]}``
    with escaped items; at ``format`` an item is any string.

    ``known`` are the names and ids of what could be listed, ``items`` unless given: they decide where names end
    when an answer is read.

    Raises ValueError for a negative ``max_items``.
    """

    name: str
    items: tuple[str, ...]
    level: GrammarLevel
    max_items: int
    known: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.max_items < 0:
            raise ValueError(f"max_items must not be negative, got {self.max_items}")

    def regex(self) -> str:
        if not self._bound:
            return TERMINATOR
        item = relation_regex(None) if self._allowed is None else regex_choice(map(format_item, self._allowed))
        return rf"(?:{item}\n){{0,{self._bound}}}{TERMINATOR}"

    def gbnf(self) -> str:
        if not self._bound:
            return gbnf({"root": quoted_literal(TERMINATOR)})
        line = relation_gbnf(None, _LINE_END) if self._allowed is None else self._lines
        return gbnf({"root": self._answer, "line": line})

    def lark(self) -> str:
        if not self._bound:
            return lark({"start": quoted_literal(TERMINATOR)})
        line = relation_lark(None, _LINE_END) if self._allowed is None else self._lines
        return lark({"start": self._answer, "line": "LINE", "LINE": line})

    def json_schema(self) -> dict[str, object]:
        item = relation_schema(self._allowed) if self._bound else {"type": "string"}
        return strict_object({self.name: {"type": "array", "items": item, "maxItems": self._bound}})

    def write(self, content: Iterable[str], output: Output) -> str:
        """The answer that lists the unescaped items of ``content``."""
        if output == "json":
            return json.dumps({self.name: list(map(escape, content))}, ensure_ascii=False)
        return "\n".join([*map(format_item, content), TERMINATOR])

    def read(self, completion: Completion) -> Parsed[str]:
        known = _Known(self.known or frozenset(self.items))
        return parse_list(completion.text, known, truncated=completion.may_be_cut)

    @property
    def _allowed(self) -> tuple[str, ...] | None:
        return allowed_relations(self.items, self.level)

    @property
    def _bound(self) -> int:
        """The most items that an answer can list."""
        return self.max_items if self._allowed is None else min(self.max_items, len(set(self._allowed)))

    @property
    def _lines(self) -> str:
        return quoted_choice(map(format_item, self.items), _LINE_END)

    @property
    def _answer(self) -> str:
        return f"line{{0,{self._bound}}} {quoted_literal(TERMINATOR)}"


def parse_list(text: str, known: Known, *, truncated: bool = False) -> Parsed[str]:
    """Read the items that ``text`` lists, whatever its form; never fails, and takes time linear in its length.

    ``known`` tells whether a text is the name or id of something that could be listed. It decides where names end
    that hold commas, numbers or brackets; what is not known may be an item all the same. ``truncated`` says that
    generation stopped at the token limit: the last item is then taken only if a line feed or quote ends it, since
    ``E1`` may be the beginning of ``E12``. The reasons of rejects are listed in ``harness.answers.reader``.
    """
    return _ListReader(text, truncated, known).read()


class _Known:
    """Whether a text is one of ``names``: as it is, or normalised if no bullet, quote or period stands around it."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._normalised = frozenset(map(normalise, names))

    def __call__(self, text: str) -> bool:
        if text in self._names:
            return True
        is_bare = text[:1].isalnum() and (text[-1:].isalnum() or text.endswith(")"))
        return is_bare and normalise(text) in self._normalised


class _ListReader(AnswerReader[str]):
    def __init__(self, text: str, truncated: bool, known: Known) -> None:
        super().__init__(text, truncated)
        self._known = known

    def is_exact(self, line: str) -> bool:
        # The empty name is spelt with an escape; an empty line is nobody's name.
        return bool(line) and self._known(unescape(line))

    def read_line(self, line: str) -> list[str | Reject]:
        if self.is_exact(line):
            return [unescape(line)]
        if says_nothing(line):
            return []
        if is_exact(line):
            return [Reject("malformed", line)]
        return self._read_text(line, without_ornaments(line))

    def read_last_line(self, line: str) -> list[str | Reject]:
        entries = self.read_line(line)
        begun = TERMINATOR.startswith(line) and not self.is_exact(line)
        if entries and (self.truncated or begun):
            entries[-1] = Reject("truncated_line", line)
        return entries

    def read_json(self, root: JsonNode) -> Iterator[str | Reject]:
        pending = [root]
        while pending:
            node = pending.pop()
            texts = [value for _, value in node.values if isinstance(value, str)]
            if node.is_object:
                names = [name for name, _ in node.values]
                texts = [next(filter(self._known, [*texts, *names]), *texts[:1])] if texts else []
            for text in texts:
                if self.is_exact(text):
                    yield unescape(text)
                elif text:
                    yield from self._read_text(text, text)
                else:
                    yield Reject("empty_field", self._source(node))
            if node.loose:
                yield Reject("malformed" if node.closed else "truncated_line", node.loose)
            pending.extend(value for _, value in reversed(node.values) if isinstance(value, JsonNode))

    def _source(self, node: JsonNode) -> str:
        return self.text[node.start : node.end]

    def _read_text(self, source: str, content: str) -> list[str | Reject]:
        bare, bracketed = _without_brackets(content)
        for text in dict.fromkeys((content, bare)):
            if found := self._known_items(text):
                return list(found)
        parts = _split(_BETWEEN, bare)
        items = [self._known_item(part) or _plain(part) for part in parts]
        short = len(parts) > 2 and all(len(part.split()) <= _SHORT for part in parts)
        if len(parts) > 1 and (bracketed or short or any(map(self._known_item, parts))):
            return [item for item in items if item]
        is_sentence = content.endswith((":", "!", "?")) or (content.endswith(".") and len(content.split()) > 3)
        if is_sentence or len(content.split()) > LONGEST_NAME:
            return [Reject("prose", source)]
        item = _plain(bare)
        return [item] if item else [Reject("empty_field", source)]

    def _known_items(self, text: str) -> Sequence[str]:
        """The items of ``text`` by the rules 1 to 4; none if it is not made of known items."""
        if item := self._known_item(text):
            return [item]
        if items := self._all_known(text):
            return items
        if item := self._explained(text):
            return [item]
        _, _, listed = text.partition(":")
        return self._all_known(listed)

    def _all_known(self, text: str) -> Sequence[str]:
        for separator in (_BETWEEN, _BETWEEN_OR_AND):
            items = [self._known_item(part) or self._explained(part) for part in _split(separator, text)]
            if all(items):
                return [item for item in items if item]
        return []

    def _known_item(self, text: str) -> str:
        """The item that ``text`` is, without the quotes and the punctuation that are no part of it; or nothing."""
        candidates = (unescape(text.strip()), _plain(text))
        return next(filter(self._known, candidates), "")

    def _explained(self, text: str) -> str:
        """The longest known beginning of ``text`` before an explanation; or nothing."""
        ends = [match.start() for match in _EXPLAINED.finditer(text, 0, _LONGEST_EXPLAINED)]
        return next(filter(None, (self._known_item(text[:end]) for end in reversed(ends))), "")


def _split(separator: re.Pattern[str], text: str) -> list[str]:
    return [part for part in map(str.strip, separator.split(text)) if part.strip(_PUNCTUATION)]


def _plain(text: str) -> str:
    """The text without emphasis, quotes, brackets and punctuation around it, unescaped."""
    bare = text.strip().strip("*`").rstrip(_PUNCTUATION)
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in QUOTES:
        bare = bare[1:-1].strip()
    return unescape(_without_brackets(bare)[0].strip())


def _without_brackets(text: str) -> tuple[str, bool]:
    """The text within the brackets around it, and whether there were any."""
    trimmed = text.rstrip(_PUNCTUATION)
    if len(trimmed) > 1 and trimmed[-1] == CLOSING.get(trimmed[0]):
        return trimmed[1:-1].strip(), True
    return text, False
