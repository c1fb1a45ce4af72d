"""Scores of found mentions, entities and triplets against gold ones (JEREX, Eberts and Ulges, EACL 2021)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.scoring.counts import Counts, Scores, total
from harness.spacing import Spacing
from harness.types import Document, Entity, Mention, Prediction, Triplet

Place = tuple[int, int, int]
"""Sentence, first token, token after the last."""


Found = tuple[Document, Sequence[Entity], Sequence[Prediction]]
"""A labelled document, the entities that were found in it, and the triplets of these."""


@dataclass(frozen=True)
class EndToEndScores:
    """Micro scores of what was found, from the mentions to the triplets."""

    mentions: Scores
    entities: Scores
    strict: Scores
    """Of triplets whose head and tail are exactly gold entities."""
    relaxed: Scores
    """Of triplets whose head and tail share a mention with a gold entity."""

    @classmethod
    def of(cls, rows: Iterable[Found]) -> EndToEndScores:
        rows = list(rows)
        return cls(
            total(mention_counts(gold.entities, entities) for gold, entities, _ in rows),
            total(cluster_counts(gold.entities, entities) for gold, entities, _ in rows),
            total(strict_counts(*row) for row in rows),
            total(relaxed_counts(*row) for row in rows),
        )


@dataclass(frozen=True)
class NumberedEntities:
    """The entities that a run found in a document, by the numbers that its record has for them.

    One that is exactly a gold entity has the number of that one; every other has one that no gold entity has. So
    whatever reads the record of a run sees the triplets as the strict score counts them.
    """

    by_number: Mapping[int, Entity]

    @classmethod
    def against(cls, gold: Document, found: Sequence[Entity]) -> NumberedEntities:
        """In the order in which they were found."""
        known = {_cluster(entity): number for number, entity in enumerate(gold.entities)}
        first = len(gold.entities)
        return cls({known.pop(_cluster(entity), first + place): entity for place, entity in enumerate(found)})

    @classmethod
    def of(cls, details: Mapping[str, object]) -> NumberedEntities | None:
        """Inverse of :meth:`as_details`; None for the record of a run that was given its entities."""
        match details.get(_DETAIL):
            case list(stored):
                return cls(
                    {
                        number: Entity(
                            tuple(Mention("", sentence, start, end, kind) for sentence, start, end in several)
                        )
                        for number, kind, several in stored
                    }
                )
        return None

    def named(self, document: Document) -> tuple[Entity, ...]:
        """In the order in which they were found, mentions with their names, which records leave out."""
        spacing = Spacing.of(document.sentences)
        return tuple(
            Entity(
                tuple(
                    replace(one, name=spacing.join(document.sentences[one.sent_id][one.start : one.end]))
                    for one in entity.mentions
                )
            )
            for entity in self.by_number.values()
        )

    def as_details(self) -> dict[str, object]:
        """For the record: number, type and mentions of each, a mention as sentence, first word and the word after."""
        return {_DETAIL: [[n, one.type, [list(m) for m in sorted(places(one))]] for n, one in self.by_number.items()]}

    def numbered(self, predictions: Iterable[Prediction]) -> tuple[Prediction, ...]:
        """Predictions between these entities, by their numbers."""
        return _renumbered(predictions, list(self.by_number))

    def in_order(self, predictions: Iterable[Prediction]) -> tuple[Prediction, ...]:
        """Inverse of :meth:`numbered`."""
        return _renumbered(predictions, {number: place for place, number in enumerate(self.by_number)})


_DETAIL = "found_entities"


def _renumbered(
    predictions: Iterable[Prediction], numbers: Mapping[int, int] | Sequence[int]
) -> tuple[Prediction, ...]:
    return tuple(
        replace(one, triplet=Triplet(numbers[one.triplet.head], one.triplet.relation, numbers[one.triplet.tail]))
        for one in predictions
    )


def places(entity: Entity) -> frozenset[Place]:
    """Where the mentions of an entity are."""
    return frozenset((one.sent_id, one.start, one.end) for one in entity.mentions)


def mention_counts(gold: Sequence[Entity], found: Sequence[Entity], *, typed: bool = True) -> Counts:
    """Mentions whose place, and with ``typed`` their type, is that of a gold one; each place and type once."""
    return _counts(_mentions(gold, typed), _mentions(found, typed))


def cluster_counts(gold: Sequence[Entity], found: Sequence[Entity], *, typed: bool = True) -> Counts:
    """Entities whose mentions are exactly those of a gold one, with ``typed`` of its type as well."""
    return _counts(_clusters(gold, typed), _clusters(found, typed))


def strict_counts(gold: Document, found: Sequence[Entity], predictions: Sequence[Prediction]) -> Counts:
    """Triplets whose head and tail are exactly gold entities: the same mentions, and the same type."""
    wanted = {
        (_cluster(gold.entities[head]), relation, _cluster(gold.entities[tail]))
        for head, relation, tail in (label.triplet for label in gold.labels)
    }
    claimed = {
        (_cluster(found[head]), relation, _cluster(found[tail]))
        for head, relation, tail in (one.triplet for one in predictions)
    }
    return Counts(len(wanted & claimed), len(claimed), len(wanted))


def relaxed_counts(gold: Document, found: Sequence[Entity], predictions: Sequence[Prediction]) -> Counts:
    """Triplets whose head and tail have a mention of the gold entity, which counts for the one it shares most with.

    A gold triplet that two predictions stand for is found once; the other is wrong.
    """
    owner = {place: number for number, entity in enumerate(gold.entities) for place in places(entity)}
    stands_for: list[int | None] = []
    for entity in found:
        shared = Counter(owner[place] for place in sorted(places(entity)) if place in owner)
        stands_for.append(shared.most_common(1)[0][0] if shared else None)
    wanted = {tuple(label.triplet) for label in gold.labels}
    claimed = {
        (stands_for[head], relation, stands_for[tail]) for head, relation, tail in (p.triplet for p in predictions)
    }
    return Counts(len(wanted & claimed), len(predictions), len(wanted))


def _counts(gold: set[object], found: set[object]) -> Counts:
    return Counts(len(gold & found), len(found), len(gold))


def _mentions(entities: Iterable[Entity], typed: bool) -> set[object]:
    return {
        (mention.sent_id, mention.start, mention.end, mention.type if typed else "")
        for entity in entities
        for mention in entity.mentions
    }


def _clusters(entities: Iterable[Entity], typed: bool) -> set[object]:
    return {(places(entity), entity.type if typed else "") for entity in entities}


def _cluster(entity: Entity) -> tuple[frozenset[Place], str]:
    return places(entity), entity.type
