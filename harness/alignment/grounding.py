"""Mentions as a model wrote them, found in the document: raw entities become entities or rejects."""

from __future__ import annotations

import html
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from harness.answers.entities import RawEntity
from harness.spacing import Spacing
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


Kind = Literal["name", "pronoun", "description"]

_PRONOUNS = frozenset({
    "i", "me", "my", "mine", "myself", "you", "your", "yours", "yourself", "yourselves", "we", "us", "our", "ours",
    "ourselves", "he", "him", "his", "himself", "she", "her", "hers", "herself", "it", "its", "itself", "they", "them",
    "their", "theirs", "themselves", "who", "whom", "whose", "which", "that", "this", "these", "those", "one", "ones",
    "er", "ihn", "ihm", "sie", "ihr", "es", "il", "elle", "ils", "elles", "él", "ella", "ellos", "ellas",
    "他", "她", "它", "他们", "她们", "它们", "他們", "她們", "它們", "其", "彼", "彼女", "彼ら", "それ", "これ",
})  # fmt: skip
_DETERMINERS = frozenset({
    "the", "this", "that", "these", "those", "a", "an", "his", "her", "its", "their", "our", "my", "your",
})  # fmt: skip


class Span(NamedTuple):
    """Tokens ``[start, end)`` of a sentence."""

    sent_id: int
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class GroundedEntities:
    """Entities whose mentions are in the document, in the order written, and what was dropped.

    ``anchors`` are, per entity, the mentions by a name that no other entity has. ``covered`` counts the occurrences
    given up because a longer or an earlier mention has their tokens, ``ambiguous`` those given to no entity because it
    is not clear whom they mean, and ``unknown_types`` the entities whose type is none of DocRED's; these are MISC.
    """

    entities: tuple[Entity, ...]
    anchors: tuple[frozenset[Span], ...]
    rejects: tuple[Reject, ...]
    covered: int
    ambiguous: int
    unknown_types: int


def ground(raw_entities: Sequence[RawEntity], sentences: Sequence[Sequence[str]]) -> GroundedEntities:
    """Find every mention where the document has it, letter for letter.

    White space does not count, but a mention begins and ends with a token and lies in one sentence. Of mentions that
    overlap, the longest (in tokens) keeps the place, and of equal ones that of the entity listed first. A name that one
    entity has is its mention everywhere; ``_Owners`` tells whose mention a pronoun is, or a name that several have.
    Reject reasons are ``ungrounded_mention`` for what the document does not say, ``covered_mention`` for what it says
    only where another mention has the place, ``ambiguous_mention`` for what means others wherever it stands, or
    nobody for sure, and ``entity_without_mention``.
    """
    text = _Searchable(sentences)
    rejects: list[Reject] = []
    claims: dict[Span, dict[int, str]] = defaultdict(dict)
    found: dict[tuple[int, str], list[Span]] = {}
    for number, raw in enumerate(raw_entities):
        for mention in raw.mentions:
            spans = list(text.spans(mention)) or list(text.spans(html.unescape(mention)))
            found[number, mention] = spans
            for span in spans:
                claims[span].setdefault(number, mention)
            if not spans:
                rejects.append(Reject("ungrounded_mention", mention))
    longest_first = sorted(claims, key=lambda span: (-span.size, min(claims[span])))
    kept = {span: claims[span] for span in without_overlaps(longest_first)}
    owners = _Owners(raw_entities, kept)
    owned = owners.assign()
    placed = {(number, kept[span][number]) for span, number in owned.items()}
    for (number, mention), spans in found.items():
        if spans and (number, mention) not in placed:
            reason = "covered_mention" if kept.keys().isdisjoint(spans) else "ambiguous_mention"
            rejects.append(Reject(reason, mention))
    by_entity: dict[int, list[Span]] = defaultdict(list)
    for span, number in owned.items():
        by_entity[number].append(span)
    entities: list[Entity] = []
    anchors: list[frozenset[Span]] = []
    unknown_types = 0
    for number, raw in enumerate(raw_entities):
        own = sorted(by_entity[number])
        if not own:
            rejects.append(Reject("entity_without_mention", ", ".join(raw.mentions)))
            continue
        kind = _entity_type(raw.type)
        unknown_types += kind is None
        entities.append(
            Entity(tuple(Mention(text.name(span, kept[span][number]), *span, kind or _OTHER) for span in own))
        )
        anchors.append(frozenset(span for span in own if owners.is_anchor(span)))
    covered = sum(len(numbers) for span, numbers in claims.items() if span not in kept)
    return GroundedEntities(
        tuple(entities), tuple(anchors), tuple(rejects), covered, len(kept) - len(owned), unknown_types
    )


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Those of the spans that share no token with one before them."""
    taken: set[tuple[int, int]] = set()
    kept = []
    for span in spans:
        tokens = {(span.sent_id, token) for token in range(span.start, span.end)}
        if taken.isdisjoint(tokens):
            taken |= tokens
            kept.append(span)
    return kept


class _Owners:
    """Whose mention every place is: ``claims`` are the entities that list what stands there, and in which words."""

    def __init__(self, raw_entities: Sequence[RawEntity], claims: Mapping[Span, Mapping[int, str]]) -> None:
        self._raw = raw_entities
        self._claims = claims
        self._types = [_entity_type(raw.type) for raw in raw_entities]
        self._kinds = [{kind_of(mention) for mention in raw.mentions} for raw in raw_entities]
        self._occurrences = Counter(next(iter(numbers.values())).casefold() for numbers in claims.values())
        self._latest: dict[int, Span] = {}

    def assign(self) -> dict[Span, int]:
        """The owner of every place that has one, from the beginning of the document to its end."""
        owned: dict[Span, int] = {}
        for span in sorted(self._claims):
            owner = self._owner(span)
            if owner is not None:
                owned[span] = owner
                self._latest[owner] = span
        return owned

    def is_anchor(self, span: Span) -> bool:
        """Whether the words there are a name, or what stands for it, of one entity alone."""
        if len(self._claims[span]) > 1:
            return False
        ((number, mention),) = self._claims[span].items()
        kind = kind_of(mention)
        return kind == "name" or (kind == "description" and "name" not in self._kinds[number])

    def _owner(self, span: Span) -> int | None:
        claims = self._claims[span]
        first, mention = next(iter(claims.items()))
        if self.is_anchor(span):
            return first
        near = [number for number in claims if number in self._latest and self._distance(number, span) <= 1]
        nearest = max(near, key=lambda number: self._latest[number], default=None)
        kind = kind_of(mention)
        if kind == "name":
            named = (number for number in claims if self._raw[number].mentions[0] == claims[number])
            return next(named, first) if nearest is None else nearest
        if len(claims) == 1 and self._occurrences[mention.casefold()] == 1:
            return first
        if kind == "description":
            known = [number for number in claims if number in self._latest]
            nearest = max(known, key=lambda number: self._latest[number], default=None)
        return None if nearest is None or self._has_rival(nearest, span, kind) else nearest

    def _has_rival(self, owner: int, span: Span, kind: Kind) -> bool:
        """Whether another of its type, for which no such words are listed, was mentioned in a later sentence."""
        return any(
            number not in self._claims[span]
            and self._types[number] == self._types[owner]
            and kind not in self._kinds[number]
            and self._distance(number, span) < self._distance(owner, span)
            for number in self._latest
        )

    def _distance(self, number: int, span: Span) -> int:
        """Sentences from an entity's latest mention."""
        return span.sent_id - self._latest[number].sent_id


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
        return spaced if spaced.replace(" ", "") == "".join(tokens) else self._spacing.join(tokens)

    @cached_property
    def _spacing(self) -> Spacing:
        return Spacing.of(self.sentences)

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


def kind_of(mention: str) -> Kind:
    """What kind of expression a mention is: a name, or words that mean something else in other places.

    A pronoun is one in any case but capitals (US, IT and WHO are names); a description is ``the company``.
    """
    first, *rest = mention.split() or [""]
    if not rest and first.lower() in _PRONOUNS and (len(first) == 1 or not first.isupper()):
        return "pronoun"
    if rest and first.lower() in _DETERMINERS and all(word.islower() for word in rest):
        return "description"
    return "name"
