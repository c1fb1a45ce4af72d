"""Reading a whole answer that lists entries: lines, JSON, prose around them, the terminator, what comes after it.

| Reason           | What became no entry                                                         |
|------------------|------------------------------------------------------------------------------|
| `malformed`      | looks like a triplet but has not three fields; or is one where none is asked |
| `empty_field`    | an entry with an empty field                                                 |
| `truncated_line` | the last line or JSON value, not complete                                    |
| `after_end`      | all that follows the terminator, as one text                                 |
| `prose`          | any other line                                                               |

`unknown_sentence` tells of a triplet that is taken, without what it names as evidence and no sentence is.

Code fences, rulers and empty lines are passed over. Identical entries are counted, not rejected.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.answers.base import AnswerForm
from harness.answers.full_width import half_width
from harness.answers.json_values import JsonNode, find_json
from harness.answers.status import bad_ending
from harness.escaping import TERMINATOR
from harness.types import Completion, Reject, Status

ORNAMENTS = "`*.,;。，； \t\r"
"""What stands around a line without saying anything."""

Entry = TypeVar("Entry", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[Entry]):
    """The distinct ``entries`` of an answer and its ``rejects``, both in order of appearance.

    ``repeated`` counts the entries that were identical to an earlier one. ``terminated`` says that the
    answer came to its own end: the terminator, or the last bracket of its JSON.
    """

    entries: tuple[Entry, ...]
    rejects: tuple[Reject, ...]
    repeated: int
    terminated: bool

    @property
    def is_mostly_repetition(self) -> bool:
        """Whether more than half of the entries written were copies of earlier ones."""
        return self.repeated > len(self.entries)


class ListingForm(AnswerForm[Parsed[Entry]]):
    """An answer form whose answers list entries.

    ``sentences`` is how many sentences the document has, where each entry names those that state it; else 0.
    """

    sentences: int = 0

    def status(self, completion: Completion, reading: Parsed[Entry]) -> tuple[Status, str]:
        """A truncated answer keeps the entries that it completed.

        An unterminated answer with entries is ok if the model stopped by itself: without a constraint, models
        forget the terminator.
        """
        if ending := bad_ending(completion, is_whole=reading.terminated):
            return ending
        if not reading.entries and not reading.terminated:
            return "invalid_output", "the answer lists nothing and has no end of list"
        return "ok", ""


class AnswerReader(ABC, Generic[Entry]):
    """Reads an answer in time linear in its length; subclasses say what an entry is."""

    def __init__(self, text: str, truncated: bool) -> None:
        self.text = text.encode("utf-8", "replace").decode("utf-8")
        self.truncated = truncated
        self.entries: dict[Entry, None] = {}
        self.rejects: list[Reject] = []
        self.repeated = 0
        self.terminated = False
        self._without_json_until = 0

    @abstractmethod
    def read_line(self, line: str) -> Sequence[Entry | Reject]:
        """The entries in a line without white space at its ends."""

    @abstractmethod
    def read_last_line(self, line: str) -> Sequence[Entry | Reject]:
        """The same for the line at which the answer breaks off, without its last entry if that is not whole."""

    @abstractmethod
    def read_json(self, root: JsonNode) -> Iterator[Entry | Reject]:
        """The entries in JSON."""

    @abstractmethod
    def is_exact(self, line: str) -> bool:
        """Whether the line has the very shape that was asked for, whatever brackets it holds."""

    def read(self) -> Parsed[Entry]:
        """Everything that the answer says."""
        self._read_all()
        return Parsed(tuple(self.entries), tuple(self.rejects), self.repeated, self.terminated)

    def _read_all(self) -> None:
        position = 0
        while position < len(self.text):
            line_feed = self.text.find("\n", position)
            end = len(self.text) if line_feed < 0 else line_feed
            line = self.text[position:end].strip()
            if line == TERMINATOR or (line.strip(ORNAMENTS) == TERMINATOR and not self.is_exact(line)):
                self.terminated = True
                self._reject_rest(end)
                return
            found = None if self.is_exact(line) else self._json(position, end)
            if found:
                block, entries = found
                self._add(self.read_line(self.text[position : block.start].strip()))
                self._add(entries)
                self.terminated = block.closed
                position = _after_ornaments(self.text, block.end)
            else:
                self._add(self._read(line, self.read_line if line_feed >= 0 else self.read_last_line))
                position = end + 1

    def _read(self, line: str, read: Callable[[str], Sequence[Entry | Reject]]) -> Sequence[Entry | Reject]:
        """The entries of a line, with the punctuation of Chinese read as that of English where this gives any."""
        plain = line if self.is_exact(line) else half_width(line)
        entries = read(plain)
        rejects = [entry for entry in entries if isinstance(entry, Reject)]
        if plain == line or not entries or len(rejects) < len(entries):
            return entries
        if any(reject.reason == "truncated_line" for reject in rejects):
            return [Reject(reject.reason, line) for reject in rejects]
        return read(line)

    def _json(self, start: int, end: int) -> tuple[JsonNode, list[Entry | Reject]] | None:
        """The JSON that begins in the line ``[start, end)``, unless it is part of some other text.

        A bracket that is part of a text holds no entries, and stands in a line with other words. What
        it encloses is not searched again, so that nested brackets do not take quadratic time.
        """
        block = find_json(self.text, start, end) if start >= self._without_json_until else None
        if block is None:
            return None
        entries = list(self.read_json(block))
        if not all(isinstance(entry, Reject) for entry in entries):
            return block, entries
        before = self.text[start : block.start].strip(ORNAMENTS)
        after = self.text[block.end : max(block.end, end)].strip(ORNAMENTS)
        if not before and not after:
            return block, entries
        self._without_json_until = block.end
        return None

    def _reject_rest(self, start: int) -> None:
        rest = self.text[start:].strip().strip(ORNAMENTS)
        if rest:
            self.rejects.append(Reject("after_end", rest))

    def _add(self, entries: Iterable[Entry | Reject]) -> None:
        for entry in entries:
            if isinstance(entry, Reject):
                self.rejects.append(entry)
            elif entry in self.entries:
                self.repeated += 1
            else:
                self.entries[entry] = None


def _after_ornaments(text: str, position: int) -> int:
    """The first index from ``position`` on that holds a line feed or a character that says something."""
    while position < len(text) and text[position] in ORNAMENTS:
        position += 1
    return position
