"""A long text in parts that overlap, and one document made of what was found in each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.alignment.grounding import Span, without_overlaps
from harness.escaping import format_triplet
from harness.types import Entity, Mention, Prediction, Reject, Triplet

OVERLAP = 5
"""Neighbouring parts share up to a fifth of the most words that a part may have."""


def parts_of(lengths: Sequence[int], most: int) -> list[range] | None:
    """The sentences of each part: as many as have ``most`` words together, beginning with the last of the part before.

    ``lengths`` are the words of every sentence. None if one of them alone has more.
    """
    if max(lengths, default=0) > most:
        return None
    parts: list[range] = []
    start = end = 0
    while end < len(lengths):
        end = start
        while end < len(lengths) and sum(lengths[start : end + 1]) <= most:
            end += 1
        parts.append(range(start, end))
        following = end
        while following - 1 > start and sum(lengths[following - 1 : end]) <= most // OVERLAP:
            following -= 1
        # A sentence longer than the overlap is shared, too, if the next one fits beside it.
        start = following if following < end or end - 1 == start else end - 1
        while start < end < len(lengths) and sum(lengths[start : end + 1]) > most:
            start += 1
    return parts


@dataclass(frozen=True)
class PartFound:
    """What was found in a part that begins with sentence ``first``; sentences are numbered from there."""

    first: int
    entities: Sequence[Entity]
    anchors: Sequence[frozenset[Span]]
    predictions: Sequence[Prediction]
    aliases: Sequence[str] = ()
    """Of each entity, a name that it has in other parts; empty for one without. May be left out."""


@dataclass(frozen=True)
class Merged:
    """Entities and triplets of the whole text; ``rejects`` are what came to nothing by the merging."""

    entities: tuple[Entity, ...]
    predictions: tuple[Prediction, ...]
    rejects: tuple[Reject, ...]


def merge(parts: Sequence[PartFound]) -> Merged:
    """One document of its parts.

    Entities of two parts are one if they have an anchor in the same place of the shared sentences, or anchors that
    overlap there or are the same name, and the same type. Of mentions that then overlap, the longest keeps the place,
    and of equal ones that of the earlier part, which saw more of what comes before. Triplets are kept once, with their
    highest score.
    """
    groups = _groups(parts)
    mentions: dict[Span, tuple[int, Mention]] = {}
    for p, part in enumerate(parts):
        for e, entity in enumerate(part.entities):
            for mention in entity.mentions:
                span = _span(mention, part.first)
                mentions.setdefault(span, (groups[p, e], replace(mention, sent_id=span.sent_id)))
    by_group: dict[int, list[Mention]] = defaultdict(list)
    for span in sorted(without_overlaps(sorted(mentions, key=lambda span: -span.size))):
        group, mention = mentions[span]
        by_group[group].append(mention)
    types = {group: parts[p].entities[e].type for (p, e), group in reversed(groups.items())}
    order = [group for group in dict.fromkeys(groups.values()) if by_group[group]]
    numbers = {group: number for number, group in enumerate(order)}
    entities = tuple(Entity(tuple(replace(one, type=types[group]) for one in by_group[group])) for group in order)
    predictions: dict[Triplet, Prediction] = {}
    rejects: list[Reject] = []
    for p, part in enumerate(parts):
        for prediction in part.predictions:
            head, relation, tail = prediction.triplet
            new_head, new_tail = (numbers.get(groups[p, entity]) for entity in (head, tail))
            if new_head is None or new_tail is None or new_head == new_tail:
                reason = "entity_without_mention" if None in (new_head, new_tail) else "self_pair"
                text = format_triplet(part.entities[head].name, relation, part.entities[tail].name)
                rejects.append(Reject(reason, text))
            else:
                triplet = Triplet(new_head, relation, new_tail)
                known = predictions.get(triplet)
                if known is None or (prediction.score or 0.0) > (known.score or 0.0):
                    predictions[triplet] = replace(prediction, triplet=triplet)
    return Merged(entities, tuple(predictions.values()), tuple(rejects))


def _groups(parts: Sequence[PartFound]) -> dict[tuple[int, int], int]:
    """Part and index of every entity -> the number of what it is one with: that of the first of them."""
    members = [(p, e) for p, part in enumerate(parts) for e in range(len(part.entities))]
    leader = list(range(len(members)))

    def find(number: int) -> int:
        while leader[number] != number:
            number = leader[number]
        return number

    first_with: dict[Hashable, int] = {}
    for number, (p, e) in enumerate(members):
        for key in _keys(parts[p], e):
            one, other = sorted((find(first_with.setdefault(key, number)), find(number)))
            leader[other] = one
    return {member: find(number) for number, member in enumerate(members)}


def _keys(part: PartFound, index: int) -> Iterator[Hashable]:
    """Two entities that share one of these are one."""
    entity = part.entities[index]
    if part.aliases and part.aliases[index]:
        yield entity.type, part.aliases[index]
    for mention in entity.mentions:
        if _span(mention, 0) in part.anchors[index]:
            span = _span(mention, part.first)
            yield span
            yield entity.type, mention.name
            for token in range(span.start, span.end):
                yield entity.type, span.sent_id, token


def _span(mention: Mention, first: int) -> Span:
    return Span(first + mention.sent_id, mention.start, mention.end)
