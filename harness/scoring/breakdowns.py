"""How triplets are divided: by the distance between their entities, by how common their relation is, by mentions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Literal

from harness.scoring.counts import Counts
from harness.types import Document, Triplet

FREQUENT_RELATIONS = frozenset({"P17", "P131", "P27", "P150", "P175", "P577", "P463", "P527", "P495", "P361"})
"""The ten relations that Re-DocRED's scorer calls frequent; all others are its long tail."""

LONG_DISTANCE = 5
"""Beyond this many sentences, Re-DocRED's scorer calls an inter-sentence triplet long."""

Span = Literal["intra", "inter_short", "inter_long"]


class Spans:
    """How far apart the heads and tails of one document's triplets are mentioned.

    The distance is the smallest difference between a sentence id of the head and one of the tail:
    0 is intra, 1 to 5 inter and short, more than 5 inter and long. A self-pair is intra.
    """

    def __init__(self, document: Document) -> None:
        self._sentences = [{mention.sent_id for mention in entity.mentions} for entity in document.entities]
        # Asking whether two small sets meet is several times faster than the smallest difference.
        reach = range(-LONG_DISTANCE, LONG_DISTANCE + 1)
        self._nearby = [{sentence + step for sentence in own for step in reach} for own in self._sentences]
        self._entities = range(len(self._sentences))

    def of(self, triplet: Triplet) -> Span | None:
        """None for a triplet that names an entity outside its document."""
        head, _, tail = triplet
        if head not in self._entities or tail not in self._entities:
            return None
        if not self._sentences[head].isdisjoint(self._sentences[tail]):
            return "intra"
        return "inter_long" if self._nearby[head].isdisjoint(self._sentences[tail]) else "inter_short"


class SpanCounter:
    """Counts triplets of one document at a time by their span; what has none is counted nowhere."""

    def __init__(self) -> None:
        self._correct: Counter[Span | None] = Counter()
        self._predicted: Counter[Span | None] = Counter()
        self._gold: Counter[Span | None] = Counter()

    def add(
        self,
        document: Document,
        correct: Collection[Triplet],
        predicted: Collection[Triplet],
        gold: Collection[Triplet],
    ) -> None:
        """Count the distinct triplets of one document; ``correct`` is in both of the others."""
        spans = Spans(document)
        self._correct.update(map(spans.of, correct))
        self._predicted.update(map(spans.of, predicted))
        self._gold.update(map(spans.of, gold))

    def counts(self, *spans: Span) -> Counts:
        """The counts so far of all the given spans together."""
        return Counts(
            sum(self._correct[span] for span in spans),
            sum(self._predicted[span] for span in spans),
            sum(self._gold[span] for span in spans),
        )


class RelationCounter:
    """Counts triplets by relation id."""

    def __init__(self) -> None:
        self._correct: Counter[str] = Counter()
        self._predicted: Counter[str] = Counter()
        self._gold: Counter[str] = Counter()

    def add(self, correct: Collection[Triplet], predicted: Collection[Triplet], gold: Collection[Triplet]) -> None:
        """Count distinct triplets; ``correct`` is in both of the others."""
        self._correct.update([triplet.relation for triplet in correct])
        self._predicted.update([triplet.relation for triplet in predicted])
        self._gold.update([triplet.relation for triplet in gold])

    def by_relation(self) -> dict[str, Counts]:
        """The counts so far of every relation that is gold or was predicted, sorted by id."""
        return {
            relation: Counts(self._correct[relation], self._predicted[relation], self._gold[relation])
            for relation in sorted(self._gold.keys() | self._predicted.keys())
        }


class MentionCounter:
    """Counts each triplet once for every pair of a mention of its head and one of its tail.

    So does DWIE's evaluation at mention level (Zaporojets et al., 2021, Information Processing & Management). Mentions
    are distinct spans. A triplet that names an entity outside its document has none.
    """

    def __init__(self) -> None:
        self.counts = Counts(0, 0, 0)

    def add(
        self,
        document: Document,
        correct: Collection[Triplet],
        predicted: Collection[Triplet],
        gold: Collection[Triplet],
    ) -> None:
        """Count the distinct triplets of one document."""
        sizes = dict(
            enumerate(len({(one.sent_id, one.start, one.end) for one in each.mentions}) for each in document.entities)
        )
        more = (
            sum(sizes.get(triplet.head, 0) * sizes.get(triplet.tail, 0) for triplet in triplets)
            for triplets in (correct, predicted, gold)
        )
        self.counts = Counts(*(old + new for old, new in zip(self.counts, more, strict=True)))
