"""What follows from triplets by the relations' inverses, symmetry and transitivity."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from harness.types import Triplet

Rule = Literal["symmetric", "inverse", "transitive"]
RULES: tuple[Rule, ...] = ("symmetric", "inverse", "transitive")


@dataclass(frozen=True)
class ClosureRules:
    """By which relations, as ids, a triplet follows from others.

    ``inverse`` gives the one relation that holds from tail to head wherever the first holds from head to tail.
    """

    symmetric: frozenset[str] = frozenset()
    inverse: Mapping[str, str] | None = None
    transitive: frozenset[str] = frozenset()


def closure(triplets: Iterable[Triplet], rules: ClosureRules) -> dict[Triplet, Rule]:
    """The triplets that follow from these and are not among them, each with the last rule that led to it.

    No triplet that follows has one entity as head and tail. Takes time in proportion to the triplets that are found
    times the triplets of one relation and entity.
    """
    known = set(triplets)
    added: dict[Triplet, Rule] = {}
    tails: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
    heads: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    pending = deque(sorted(known))
    while pending:
        one = pending.popleft()
        tails[one.head, one.relation].add(one.tail)
        heads[one.relation, one.tail].add(one.head)
        for rule, found in _following(one, rules, tails, heads):
            if found.head != found.tail and found not in known:
                known.add(found)
                added[found] = rule
                pending.append(found)
    return added


def _following(
    one: Triplet,
    rules: ClosureRules,
    tails: Mapping[tuple[int, str], set[int]],
    heads: Mapping[tuple[str, int], set[int]],
) -> Iterator[tuple[Rule, Triplet]]:
    """What follows from a triplet and those that were looked at before it."""
    head, relation, tail = one
    if relation in rules.symmetric:
        yield "symmetric", Triplet(tail, relation, head)
    if inverse := (rules.inverse or {}).get(relation):
        yield "inverse", Triplet(tail, inverse, head)
    if relation in rules.transitive:
        for further in sorted(tails.get((tail, relation), ())):
            yield "transitive", Triplet(head, relation, further)
        for earlier in sorted(heads.get((relation, head), ())):
            yield "transitive", Triplet(earlier, relation, tail)
