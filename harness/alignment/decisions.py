"""What alignment made of relations outside the schema, one by one and in examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, cast

from harness.alignment.relations import RelationMapper

DETAILS_KEY = "alignments"
"""Where a document's details hold its decisions."""

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class RelationDecision:
    """A relation ``text`` outside the schema, the nearest relation's id, and the entities that it was said of.

    ``head`` and ``tail`` are None where it stood in a list of relations.

    ``kept`` says that the cosine reached theta. ``inverted`` says that the text reads from tail to head; the
    triplet is taken as stated all the same.
    """

    text: str
    relation: str
    cosine: float
    kept: bool
    inverted: bool
    head: int | None = None
    tail: int | None = None


def decide(
    text: str, relations: RelationMapper, head: int | None = None, tail: int | None = None
) -> RelationDecision | None:
    """What becomes of a relation outside the schema; None where nothing is aligned, or it is no name at all."""
    nearest = relations.nearest(text)
    if nearest is None:
        return None
    kept = relations.keeps(nearest)
    return RelationDecision(text, nearest.relation, nearest.cosine, kept, nearest.inverted, head, tail)


def decisions_of(details: Mapping[str, object]) -> list[RelationDecision]:
    """The decisions in a document's details; none where nothing was aligned."""
    stored = cast(list[dict[str, Any]], details.get(DETAILS_KEY, []))
    return [RelationDecision(**one) for one in stored]


class Example(NamedTuple):
    """A relation outside the schema, what it was nearest to, and how often it was written."""

    text: str
    relation: str
    cosine: float
    times: int


@dataclass
class AlignmentExamples:
    """The most frequent strings that were kept, dropped and (among the kept) inverted."""

    _kept: Counter[tuple[str, str, float]] = field(default_factory=Counter)
    _dropped: Counter[tuple[str, str, float]] = field(default_factory=Counter)
    _inverted: Counter[tuple[str, str, float]] = field(default_factory=Counter)

    def add(self, decision: RelationDecision) -> None:
        example = (decision.text, decision.relation, decision.cosine)
        (self._kept if decision.kept else self._dropped)[example] += 1
        self._inverted[example] += decision.kept and decision.inverted

    def by_kind(self) -> dict[str, list[Example]]:
        """Up to five examples each, the most frequent first; empty if nothing was outside the schema."""
        named = {"kept": self._kept, "dropped": self._dropped, "inverted": self._inverted}
        return {name: _most_common(counts) for name, counts in named.items() if +counts}

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        return {name: [one._asdict() for one in examples] for name, examples in self.by_kind().items()}


def as_details(decisions: list[RelationDecision]) -> dict[str, object]:
    """The entry of a document's details that ``decisions_of`` reads; nothing if there are none."""
    return {DETAILS_KEY: [asdict(one) for one in decisions]} if decisions else {}


def _most_common(counts: Counter[tuple[str, str, float]]) -> list[Example]:
    ordered = sorted((+counts).items(), key=lambda item: (-item[1], item[0]))
    return [Example(*example, count) for example, count in ordered[:EXAMPLES]]
