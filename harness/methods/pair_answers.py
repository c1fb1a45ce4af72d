"""What the answers about given pairs say: triplets, pairs without a relation, pairs passed over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from harness.alignment.entities import EntityMapper
from harness.alignment.normalise import normalise
from harness.escaping import ASKED_RELATION, NO_RELATION, format_triplet
from harness.methods.candidates import Pair
from harness.parsing import ParsedTriplets
from harness.types import RawTriplet, Reject

_NO_RELATION = normalise(NO_RELATION)


@dataclass(frozen=True, slots=True)
class PairAnswers:
    """One answer, sorted: ``stated`` goes on to alignment, in the order written.

    ``none`` are the pairs answered with None and nothing else; ``unanswered`` those that no line answers.
    """

    stated: tuple[RawTriplet, ...]
    rejects: tuple[Reject, ...]
    none: frozenset[Pair]
    unanswered: frozenset[Pair]


def read_pair_answers(
    parsed: ParsedTriplets, asked: Collection[tuple[str, str]], entities: EntityMapper
) -> PairAnswers:
    """Sort the lines of an answer about the pairs of references ``asked``.

    A pair may have several relations, and then None beside them says nothing. Reject reasons are
    ``unasked_pair``, ``self_pair``, and ``placeholder_relation`` for a line that gives the question's ``-``
    back (LMRC, Appendix B); references and relations that exist nowhere are left to alignment.

    A pair is what its references map to, in the question as in the answer. Where entities share a name
    and references are names, several pairs of the question are thus one here.
    """
    expected = {pair for reference in asked if (pair := _find(entities, *reference))}
    stated: list[RawTriplet] = []
    rejects: list[Reject] = []
    none: set[Pair] = set()
    related: set[Pair] = set()
    for raw in parsed.triplets:
        pair = _find(entities, raw.head, raw.tail)
        if pair is None:
            stated.append(raw)
        elif pair not in expected:
            reason = "self_pair" if pair[0] == pair[1] else "unasked_pair"
            rejects.append(Reject(reason, format_triplet(*raw)))
        elif raw.relation.strip() == ASKED_RELATION:
            rejects.append(Reject("placeholder_relation", format_triplet(*raw)))
        elif normalise(raw.relation) == _NO_RELATION:
            none.add(pair)
        else:
            related.add(pair)
            stated.append(raw)
    return PairAnswers(
        stated=tuple(stated),
        rejects=(*parsed.rejects, *rejects),
        none=frozenset(none - related),
        unanswered=frozenset(expected - none - related),
    )


def _find(entities: EntityMapper, head: str, tail: str) -> Pair | None:
    found_head, found_tail = entities.find(head), entities.find(tail)
    return None if found_head is None or found_tail is None else (found_head.entity, found_tail.entity)
