"""Triplets in an answer that groups them by head and relation, in lines or in JSON.

A line is a head, or a relation of the last head with its tails: ``- RELATION | TAIL | TAIL``, escaped. Besides, these
are read: other bullets or none, emphasis, ``RELATION: TAIL, TAIL`` if all tails are known, and whole triplets in any
form that ``harness.answers.triplet_reading`` reads. Where sentences are asked for, the field after a tail names them;
a tail without such a field is read all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.answers.evidence import EVIDENCE_NAMES, may_be_evidence
from harness.answers.json_values import JsonNode
from harness.answers.reader import AnswerReader, Parsed
from harness.answers.triplet_reading import (
    has_separator,
    read_line,
    says_nothing,
    supported,
    texts_in,
    without_ornaments,
)
from harness.escaping import TERMINATOR, unescape
from harness.types import RawTriplet, Reject

_BETWEEN = re.compile(r"(?<!\\)((?:\\\\)*)\|")
_COMMA = re.compile(r"\s*[,;]\s*")


def parse_grouped(
    text: str,
    known: frozenset[str],
    relations: frozenset[str] = frozenset(),
    *,
    truncated: bool = False,
    sentences: int = 0,
) -> Parsed[RawTriplet]:
    """Read the triplets of a grouped answer; never fails, and takes time linear in its length.

    ``known`` are the references of the document. What is one of ``relations`` is read as it stands, whatever bullet or
    number it begins with. ``truncated`` says that generation stopped at the token limit: the
    last tail is then not taken, since ``E1`` may be the beginning of ``E12``. ``sentences`` is as of
    ``parse_triplets``.
    """
    return _GroupedReader(text, truncated, known, relations, sentences).read()


class _GroupedReader(AnswerReader[RawTriplet]):
    def __init__(
        self, text: str, truncated: bool, known: frozenset[str], relations: frozenset[str], sentences: int
    ) -> None:
        super().__init__(text, truncated)
        self._known = known
        self._relations = relations
        self._sentences = sentences
        self._head: str | None = None

    def is_exact(self, line: str) -> bool:
        return unescape(line) in self._known or (line.startswith("- ") and has_separator(line))

    def read_line(self, line: str) -> list[RawTriplet | Reject]:
        if line and unescape(line) in self._known:
            self._head = unescape(line)
            return []
        exact = fields_of(line[2:]) if line.startswith("- ") and has_separator(line) else [""]
        if self._head is not None and unescape(exact[0]) in self._relations:
            return self._stated(exact, line)
        if says_nothing(line):
            return []
        content = without_ornaments(line)
        fields = fields_of(content)
        if self._head is not None and len(fields) > 1 and not self._is_triplet(fields[0]):
            return self._stated(fields, line)
        heading = unescape(content.rstrip(":* ").strip())
        if heading in self._known:
            self._head = heading
            return []
        relation, colon, listed = content.partition(":")
        tails = _COMMA.split(listed.strip())
        if self._head is not None and colon and all(unescape(tail) in self._known for tail in tails):
            return self._stated([relation.strip(), *tails], line)
        return read_line(line, self._sentences)

    def _is_triplet(self, first: str) -> bool:
        """Whether a line with this first field is a whole triplet in brackets, not a relation that begins with one."""
        is_whole = first.count("(") == first.count(")") and unescape(first.strip("() ")) not in self._known
        return first.startswith("(") and not is_whole

    def read_last_line(self, line: str) -> list[RawTriplet | Reject]:
        entries = self.read_line(line)
        if entries and (self.truncated or TERMINATOR.startswith(line)):
            entries[-1] = Reject("truncated_line", line)
        return entries

    def read_json(self, root: JsonNode) -> Iterator[RawTriplet | Reject]:
        pending: list[tuple[JsonNode, str, str]] = [(root, "", "")]
        while pending:
            node, head, relation = pending.pop()
            texts = {name: value for name, value in node.values if isinstance(value, str)}
            named = [value for name, value in node.values if self._sentences and name.lower() in EVIDENCE_NAMES]
            if node.is_object:
                head, relation = texts.get("head", head), texts.get("relation", relation)
                if "tail" in texts:
                    evidence = " ".join(text for one in named for text in texts_in(one))
                    yield from self._triplet(head, relation, texts["tail"], evidence, self._source(node))
            elif texts:
                for _, tail in node.values:
                    if isinstance(tail, str):
                        yield from self._triplet(head, relation, tail, "", self._source(node))
            if node.loose:
                yield Reject("malformed" if node.closed else "truncated_line", node.loose)
            pending += [
                (value, head, relation)
                for _, value in reversed(node.values)
                if isinstance(value, JsonNode) and all(value is not one for one in named)
            ]

    def _stated(self, fields: list[str], line: str) -> list[RawTriplet | Reject]:
        relation, *tails = fields
        return [
            entry
            for tail, evidence in self._with_evidence(tails)
            for entry in self._triplet(self._head or "", relation, tail, evidence, line)
        ]

    def _with_evidence(self, fields: list[str]) -> Iterator[tuple[str, str]]:
        """The tails of a line, each with the field after it where that names sentences."""
        if not self._sentences:
            yield from ((field, "") for field in fields)
            return
        # A tail may be called 3, but not where every other field holds numbers.
        alternate = len(fields) % 2 == 0 and all(map(may_be_evidence, fields[1::2]))
        place = 0
        while place < len(fields):
            following = fields[place + 1] if place + 1 < len(fields) else ""
            names = alternate or (may_be_evidence(following) and unescape(following) not in self._known)
            yield fields[place], following if names else ""
            place += 2 if names else 1

    def _triplet(self, head: str, relation: str, tail: str, evidence: str, source: str) -> list[RawTriplet | Reject]:
        if not relation or not tail:
            return [Reject("empty_field" if relation or tail else "malformed", source)]
        triplet = RawTriplet(unescape(head), unescape(relation), unescape(tail))
        return supported(triplet, evidence, source, self._sentences)

    def _source(self, node: JsonNode) -> str:
        return self.text[node.start : node.end]


def fields_of(content: str) -> list[str]:
    """The fields of ``content`` between ``|`` that are not escaped; a trailing one is taken as none."""
    parts = _BETWEEN.sub(lambda match: f"{match[1]}\n", content).split("\n")
    fields = [part.strip() for part in parts]
    return fields[:-1] if len(fields) > 2 and not fields[-1] else fields
