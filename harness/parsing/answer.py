"""A whole answer: lines of triplets, JSON, prose around them, the terminator, what comes after it.

| Reason           | What became no triplet                                                       |
|------------------|------------------------------------------------------------------------------|
| `malformed`      | looks like a triplet but has not three fields                                |
| `empty_field`    | a triplet with an empty field                                                |
| `truncated_line` | the last line or JSON value, not complete                                    |
| `after_end`      | all that follows the terminator, as one text                                 |
| `prose`          | any other line                                                               |

Code fences, rulers and empty lines are passed over. Identical triplets are counted, not rejected.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.escaping import TERMINATOR
from harness.parsing.json_items import JsonBlock, find_json
from harness.parsing.lines import is_exact, read_line
from harness.types import RawTriplet, Reject

_ORNAMENTS = "`*.,; \t\r"
_OPENING = ("(", "[", "<", "{")
_CLOSING = (")", "]", ">", "}")


@dataclass(frozen=True, slots=True)
class ParsedTriplets:
    """The distinct triplets of an answer and its rejects, both in order of appearance.

    ``repeated`` counts the triplets that were identical to an earlier one. ``terminated`` says that the
    answer came to its own end: the terminator, or the last bracket of its JSON.
    """

    triplets: tuple[RawTriplet, ...]
    rejects: tuple[Reject, ...]
    repeated: int
    terminated: bool


def parse_triplets(text: str, *, truncated: bool = False) -> ParsedTriplets:
    """Read the triplets in ``text``, whatever its form; never fails, and takes time linear in its length.

    ``truncated`` says that generation stopped at the token limit. The last line is then taken only if it
    ends like a whole triplet, since ``A | r | E1`` may be the beginning of ``A | r | E12``. Whether the
    fields mean entities and relations of the document is not judged here. The reasons of rejects are
    listed in ``harness.parsing.answer``.
    """
    answer = _Answer(text.encode("utf-8", "replace").decode("utf-8"), truncated)
    answer.read()
    return ParsedTriplets(tuple(answer.triplets), tuple(answer.rejects), answer.repeated, answer.terminated)


class _Answer:
    """What has been read of ``text`` so far."""

    def __init__(self, text: str, truncated: bool) -> None:
        self.text = text
        self.truncated = truncated
        self.triplets: dict[RawTriplet, None] = {}
        self.rejects: list[Reject] = []
        self.repeated = 0
        self.terminated = False
        self._without_json_until = 0

    def read(self) -> None:
        position = 0
        while position < len(self.text):
            line_feed = self.text.find("\n", position)
            end = len(self.text) if line_feed < 0 else line_feed
            line = self.text[position:end].strip()
            if line.strip(_ORNAMENTS) == TERMINATOR:
                self.terminated = True
                self._reject_rest(end)
                return
            block = None if is_exact(line) else self._json(position, end)
            if block:
                self._add(read_line(self.text[position : block.start].strip()))
                self._add(block.entries)
                self.terminated = block.closed
                position = _after_ornaments(self.text, block.end)
            else:
                self._add(read_line(line) if line_feed >= 0 else self._last_line(line))
                position = end + 1

    def _json(self, start: int, end: int) -> JsonBlock | None:
        """The JSON that begins in the line ``[start, end)``, unless it is part of some other text.

        A bracket that is part of a text holds no triplets, and stands in a line with other words. What
        it encloses is not searched again, lest nested brackets take quadratic time.
        """
        block = find_json(self.text, start, end) if start >= self._without_json_until else None
        if block is None or block.has_triplets:
            return block
        before = self.text[start : block.start].strip(_ORNAMENTS)
        after = self.text[block.end : max(block.end, end)].strip(_ORNAMENTS)
        if not before and not after:
            return block
        self._without_json_until = block.end
        return None

    def _last_line(self, line: str) -> list[RawTriplet | Reject]:
        """Read the line at which the answer breaks off, without its last entry if that is not whole."""
        entries = read_line(line)
        closed = line.rstrip(_ORNAMENTS).endswith(_CLOSING)
        may_go_on = self.truncated and line.count("(") != line.count(")")
        begun = line.startswith(_OPENING) or TERMINATOR.startswith(line)
        if entries and (not closed or may_go_on) and (begun or self.truncated):
            entries[-1] = Reject("truncated_line", line)
        return entries

    def _reject_rest(self, start: int) -> None:
        rest = self.text[start:].strip().strip(_ORNAMENTS)
        if rest:
            self.rejects.append(Reject("after_end", rest))

    def _add(self, entries: Iterable[RawTriplet | Reject]) -> None:
        for entry in entries:
            if isinstance(entry, Reject):
                self.rejects.append(entry)
            elif entry in self.triplets:
                self.repeated += 1
            else:
                self.triplets[entry] = None


def _after_ornaments(text: str, position: int) -> int:
    """The first index from ``position`` on that holds a line feed or a character that says something."""
    while position < len(text) and text[position] in _ORNAMENTS:
        position += 1
    return position
