"""Relations or entities listed in an answer, one a line or in one of the ways in which models vary that.

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

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.escaping import TERMINATOR, unescape
from harness.parsing.answer import AnswerReader
from harness.parsing.json_values import JsonNode
from harness.parsing.lines import CLOSING, LONGEST_NAME, QUOTES, is_exact, says_nothing, without_ornaments
from harness.types import Reject

Known = Callable[[str], bool]

_BETWEEN = re.compile(r"(?<!\\)\||[,;\t]")
_BETWEEN_OR_AND = re.compile(r"(?<!\\)\||[,;\t]| and ")
_EXPLAINED = re.compile(r"[:=(\[–—]| -")
_PUNCTUATION = " .,;:"
_SHORT = 5  # words
_LONGEST_EXPLAINED = 200  # characters


@dataclass(frozen=True, slots=True)
class ParsedList:
    """The distinct items of an answer, unescaped, and its rejects, both in order of appearance.

    ``repeated`` and ``terminated`` are as in ``ParsedTriplets``.
    """

    items: tuple[str, ...]
    rejects: tuple[Reject, ...]
    repeated: int
    terminated: bool

    @property
    def distinct(self) -> int:
        return len(self.items)


def parse_list(text: str, known: Known, *, truncated: bool = False) -> ParsedList:
    """Read the items that ``text`` lists, whatever its form; never fails, and takes time linear in its length.

    ``known`` tells whether a text is the name or id of something that could be listed. It decides where names end
    that hold commas, numbers or brackets; what is not known may be an item all the same. ``truncated`` says that
    generation stopped at the token limit: the last item is then taken only if a line feed or quote ends it, since
    ``E1`` may be the beginning of ``E12``. The reasons of rejects are listed in ``harness.parsing.answer``.
    """
    answer = _ListReader(text, truncated, known)
    answer.read()
    return ParsedList(tuple(answer.entries), tuple(answer.rejects), answer.repeated, answer.terminated)


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
