"""Documents of a running text with mentions at characters: split into sentences and tokens that fit the mentions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from harness.datasets.fields import Fault
from harness.datasets.tokens import located_sentences, place_of
from harness.json_files import shown
from harness.types import Entity, Mention


class TextMention(NamedTuple):
    """The characters ``[start, end)`` of a text, which mention an entity; ``where`` is its place in the file."""

    start: int
    end: int
    entity: Hashable
    """What all mentions of the entity share."""
    type: str
    where: tuple[str | int, ...]


class SameEntity:
    """Which mentions are of one entity, by their ids: each stands for itself until it is joined with others."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def join(self, one: str, other: str) -> None:
        """The two, and all that were joined with either, are of one entity."""
        if (first := self.of(one)) != (second := self.of(other)):
            self._first[second] = first

    def of(self, mention: str) -> str:
        """The mention that stands for the entity."""
        while mention in self._first:
            mention = self._first[mention]
        return mention


def check_text(text: str, start: int, end: int, written: str, *where: str | int) -> None:
    """Raise Fault where a file says that other text is at these characters; white space does not count."""
    held = text[max(start, 0) : max(end, 0)]
    if not 0 <= start < end <= len(text) or "".join(held.split()) != "".join(written.split()):
        raise Fault(f"{shown(written)} is not at {start} to {end}; {shown(held)} is", *where)


def entities_in(
    text: str, mentions: Sequence[TextMention], parts: Sequence[tuple[str, int]] | None = None
) -> tuple[tuple[tuple[str, ...], ...], Mapping[Hashable, Entity]]:
    """The sentences of a text, and its entities in the order of their first mentions.

    A token is cut where a mention begins or ends, and sentences are joined that a mention goes over. ``parts`` are the
    texts, such as title and abstract, that sentences do not go over, each with its place; by default the whole is one.
    """
    spans = [(one.start, one.end) for one in mentions]
    sentences = located_sentences(parts or [(text, 0)], spans)
    found: dict[Hashable, list[Mention]] = {}
    for one in sorted(mentions, key=lambda mention: (mention.start, mention.end)):
        place = place_of(sentences, (one.start, one.end))
        name = " ".join(text[one.start : one.end].split())
        if place is None:
            raise Fault(f"{shown(name)} has no token", *one.where)
        sent_id, (start, end) = place
        found.setdefault(one.entity, []).append(Mention(name, sent_id, start, end, one.type))
    tokens = tuple(tuple(text[start:end] for start, end in sentence) for sentence in sentences)
    return tokens, {key: Entity(tuple(several)) for key, several in found.items()}
