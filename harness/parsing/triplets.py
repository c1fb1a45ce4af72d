"""Triplets in an answer, whatever its form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.escaping import TERMINATOR
from harness.parsing.answer import ORNAMENTS, AnswerReader
from harness.parsing.json_triplets import triplets_in_json
from harness.parsing.json_values import JsonNode
from harness.parsing.lines import is_exact, read_line
from harness.types import RawTriplet, Reject

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

    @property
    def distinct(self) -> int:
        return len(self.triplets)


def parse_triplets(text: str, *, truncated: bool = False) -> ParsedTriplets:
    """Read the triplets in ``text``, whatever its form; never fails, and takes time linear in its length.

    ``truncated`` says that generation stopped at the token limit. The last line is then taken only if it
    ends like a whole triplet, since ``A | r | E1`` may be the beginning of ``A | r | E12``. Whether the
    fields mean entities and relations of the document is not judged here. The reasons of rejects are
    listed in ``harness.parsing.answer``.
    """
    answer = _TripletReader(text, truncated)
    answer.read()
    return ParsedTriplets(tuple(answer.entries), tuple(answer.rejects), answer.repeated, answer.terminated)


class _TripletReader(AnswerReader[RawTriplet]):
    def read_line(self, line: str) -> list[RawTriplet | Reject]:
        return read_line(line)

    def read_last_line(self, line: str) -> list[RawTriplet | Reject]:
        entries = read_line(line)
        closed = line.rstrip(ORNAMENTS).endswith(_CLOSING)
        may_go_on = self.truncated and line.count("(") != line.count(")")
        begun = line.startswith(_OPENING) or TERMINATOR.startswith(line)
        if entries and (not closed or may_go_on) and (begun or self.truncated):
            entries[-1] = Reject("truncated_line", line)
        return entries

    def read_json(self, root: JsonNode) -> Iterator[RawTriplet | Reject]:
        return triplets_in_json(root, self.text)

    def is_exact(self, line: str) -> bool:
        return is_exact(line)
