"""Mentions as a model wrote them, found in the document: raw entities become entities or rejects."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from harness.answers.entities import RawEntity
from harness.types import Entity, Mention, Reject

ENTITY_TYPES = ("PER", "ORG", "LOC", "TIME", "NUM", "MISC")
"""DocRED's entity types."""

_OTHER_NAMES = {
    "PERSON": "PER", "ORGANIZATION": "ORG", "ORGANISATION": "ORG", "LOCATION": "LOC", "GPE": "LOC", "PLACE": "LOC",
    "DATE": "TIME", "NUMBER": "NUM", "MISCELLANEOUS": "MISC",
}  # fmt: skip
_OTHER = "MISC"
# Between sentences: no token holds it, so no mention is found across them.
_BOUNDARY = "\n"


class Span(NamedTuple):
    """Tokens ``[start, end)`` of a sentence."""

    sent_id: int
    start: int
    end: int


@dataclass(frozen=True)
class GroundedEntities:
    """Entities whose mentions are in the document, in the order written, and what was dropped.

    ``covered`` counts the occurrences given up because a longer or an earlier mention has their tokens,
    and ``unknown_types`` the entities whose type is none of DocRED's; these are MISC.
    """

    entities: tuple[Entity, ...]
    rejects: tuple[Reject, ...]
    covered: int
    unknown_types: int


def ground(raw_entities: Sequence[RawEntity], sentences: Sequence[Sequence[str]]) -> GroundedEntities:
    """Find every mention at every place where the document has it, letter for letter.

    White space does not count, but a mention begins and ends with a token and lies in one sentence. Of
    mentions that overlap, the longest (in tokens) keeps the place, and of equal ones that of the entity
    listed first. Reject reasons are ``ungrounded_mention`` for what the document does not say,
    ``covered_mention`` for what it says only where another mention has the place, and
    ``entity_without_mention``.
    """
    text = _Searchable(sentences)
    rejects: list[Reject] = []
    found: list[tuple[Span, int, str]] = []
    for number, raw in enumerate(raw_entities):
        for mention in raw.mentions:
            spans = list(text.spans(mention)) or list(text.spans(html.unescape(mention)))
            found += [(span, number, mention) for span in spans]
            if not spans:
                rejects.append(Reject("ungrounded_mention", mention))
    kept = _without_overlaps(found)
    by_entity: dict[int, list[tuple[Span, str]]] = defaultdict(list)
    for span, number, mention in kept:
        by_entity[number].append((span, mention))
    placed = {(number, mention) for _, number, mention in kept}
    for number, mention in dict.fromkeys((number, mention) for _, number, mention in found):
        if (number, mention) not in placed:
            rejects.append(Reject("covered_mention", mention))
    entities: list[Entity] = []
    unknown_types = 0
    for number, raw in enumerate(raw_entities):
        own = sorted(by_entity[number])
        if not own:
            rejects.append(Reject("entity_without_mention", ", ".join(raw.mentions)))
            continue
        kind = _entity_type(raw.type)
        unknown_types += kind is None
        entities.append(
            Entity(tuple(Mention(text.name(span, mention), *span, kind or _OTHER) for span, mention in own))
        )
    return GroundedEntities(tuple(entities), tuple(rejects), len(set(found)) - len(kept), unknown_types)


def _without_overlaps(found: Sequence[tuple[Span, int, str]]) -> list[tuple[Span, int, str]]:
    taken: set[tuple[int, int]] = set()
    kept = []
    for span, number, mention in sorted(found, key=lambda one: (one[0].start - one[0].end, one[1])):
        tokens = {(span.sent_id, token) for token in range(span.start, span.end)}
        if taken.isdisjoint(tokens):
            taken |= tokens
            kept.append((span, number, mention))
    return kept


def _entity_type(written: str) -> str | None:
    name = written.strip().upper()
    name = _OTHER_NAMES.get(name, name)
    return name if name in ENTITY_TYPES else None


@dataclass(frozen=True)
class _Searchable:
    """The document as one string without white space, and the tokens that its positions belong to."""

    sentences: Sequence[Sequence[str]]

    def spans(self, mention: str) -> Iterator[Span]:
        """Every place of ``mention``, in order; places may overlap."""
        wanted = "".join(mention.split())
        position = self._text.find(wanted) if wanted else -1
        while position >= 0:
            start, end = self._starts.get(position), self._ends.get(position + len(wanted))
            if start is not None and end is not None:
                yield Span(start[0], start[1], end[1])
            position = self._text.find(wanted, position + 1)

    def name(self, span: Span, written: str) -> str:
        """The mention's text as the model spaced it; its letters are the document's."""
        tokens = self.sentences[span.sent_id][span.start : span.end]
        spaced = " ".join(written.split())
        return spaced if spaced.replace(" ", "") == "".join(tokens) else " ".join(tokens)

    @cached_property
    def _text(self) -> str:
        return _BOUNDARY.join("".join(sentence) for sentence in self.sentences)

    @cached_property
    def _starts(self) -> dict[int, tuple[int, int]]:
        return {start: (sent_id, token) for start, _, sent_id, token in self._tokens()}

    @cached_property
    def _ends(self) -> dict[int, tuple[int, int]]:
        return {end: (sent_id, token + 1) for _, end, sent_id, token in self._tokens()}

    def _tokens(self) -> Iterator[tuple[int, int, int, int]]:
        """Every token's first position, the one after its last, its sentence and its index there."""
        position = 0
        for sent_id, sentence in enumerate(self.sentences):
            for token, word in enumerate(sentence):
                yield position, position + len(word), sent_id, token
                position += len(word)
            position += len(_BOUNDARY)
