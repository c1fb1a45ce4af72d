"""Candidate pairs: where the pairs come from that a model is asked to classify (LMRC, section 3.1)."""

from __future__ import annotations

import hashlib
import random
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from harness.errors import InputError
from harness.json_files import MAX_STORED_CHARACTERS, shown, whole_value
from harness.types import Document, RelationSchema

GOLD = "gold"
ALL = "all"

DRAWN_FROM = 2
"""Unrelated pairs are drawn from this many times as many, so that another seed has others."""

Pair = tuple[int, int]
"""Indices of a head and a tail entity of one document, never the same."""


class PairSource(Protocol):
    """Proposes candidate pairs.

    ``name`` is shown beside results; ``identity`` tells these pairs from any others in the run's id.
    """

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str: ...

    def pairs(self, document: Document) -> tuple[Pair, ...]:
        """Distinct pairs in a fixed order; raises InputError where the source does not fit the document."""
        ...

    def relations(self, document: Document) -> Mapping[Pair, tuple[str, ...]]:
        """Ids of the relations that the source proposes for a pair, at least one; other pairs are absent."""
        ...


@runtime_checkable
class RankedPairs(Protocol):
    """A source of pairs that can tell which pairs it finds likelier than others."""

    def ranked(self, document: Document) -> tuple[Pair, ...]:
        """All pairs that it has a score for, the likeliest to hold a relation first."""
        ...


class PairQuestion(NamedTuple):
    """A pair and the ids of the relations that it may have: distinct, at least one."""

    pair: Pair
    relations: tuple[str, ...]


class QuestionSource(Protocol):
    """Decides what a model is asked about a document."""

    def questions(self, document: Document) -> tuple[PairQuestion, ...]:
        """Questions in a fixed order; a pair without a relation to ask about has none."""
        ...

    def pair_count(self, document: Document) -> int:
        """How many pairs there were to ask about."""
        ...


def load_pair_source(candidates: str, schema: RelationSchema) -> PairSource:
    """``gold``, ``all``, or the path of a JSON file ``{title: [[head, tail], ...]}`` of entity indices from 0.

    A pair of a file may go on with a list of candidate relations, ``[head, tail, ["P17", "P131"]]``. Raises
    InputError for a file that cannot be read, has another shape, or names a relation that is not in ``schema``.
    """
    if candidates == GOLD:
        return GoldPairs()
    return AllPairs() if candidates == ALL else _read_file(Path(candidates), schema)


@dataclass(frozen=True)
class AllPairs:
    """All candidate pairs of a document, by head, then by tail: n(n-1) for n entities, unless the corpus has fewer."""

    name: str = ALL
    identity: str = ALL

    def pairs(self, document: Document) -> tuple[Pair, ...]:
        return document.pairs

    def relations(self, document: Document) -> Mapping[Pair, tuple[str, ...]]:  # noqa: ARG002 - none for any document
        return {}


@dataclass(frozen=True)
class GoldPairs:
    """The pairs that the document's labels relate: the upper bound of any proposer (LMRC, Table 5)."""

    name: str = GOLD
    identity: str = GOLD

    def pairs(self, document: Document) -> tuple[Pair, ...]:
        return tuple(sorted({(label.triplet.head, label.triplet.tail) for label in document.labels}))

    def relations(self, document: Document) -> Mapping[Pair, tuple[str, ...]]:
        relations: dict[Pair, tuple[str, ...]] = {}
        for head, relation, tail in dict.fromkeys(label.triplet for label in document.labels):
            relations[head, tail] = (*relations.get((head, tail), ()), relation)
        return relations


@dataclass(frozen=True)
class GoldAndUnrelatedPairs(GoldPairs):
    """The gold pairs and unrelated ones, drawn by ``seed``: examples of both kinds (LMRC, Appendix C).

    ``ratio`` unrelated pairs are drawn for each gold one, with a ``proposer`` from the ``DRAWN_FROM`` times as many
    that it finds likeliest. Sorted, unless ``is_shuffled``.
    """

    seed: int = 0
    ratio: float = 1.0
    is_shuffled: bool = False
    proposer: RankedPairs | None = None

    def pairs(self, document: Document) -> tuple[Pair, ...]:
        gold = super().pairs(document)
        count = round(self.ratio * len(gold))
        if self.proposer is None:
            unrelated = sorted(set(AllPairs().pairs(document)) - set(gold))
        else:
            related = set(gold)
            unrelated = [pair for pair in self.proposer.ranked(document) if pair not in related][: DRAWN_FROM * count]
        drawn = random.Random(f"{self.seed} {document.title}")
        pairs = sorted([*gold, *drawn.sample(unrelated, min(count, len(unrelated)))])
        if self.is_shuffled:
            drawn.shuffle(pairs)
        return tuple(pairs)


@dataclass(frozen=True)
class FilePairs:
    """The pairs that a file lists under the document's title, and the relations that it lists for some of them."""

    name: str
    identity: str
    by_title: Mapping[str, Mapping[Pair, tuple[str, ...]]]

    def pairs(self, document: Document) -> tuple[Pair, ...]:
        if document.title not in self.by_title:
            raise InputError(
                f"candidates {self.name} has no document {document.title!r}: list its pairs, or [] where it has none"
            )
        pairs = tuple(self.by_title[document.title])
        count = len(document.entities)
        for head, tail in pairs:
            if not (0 <= head < count and 0 <= tail < count) or head == tail:
                raise InputError(
                    f"candidates {self.name}: {document.title!r} cannot have the pair [{head}, {tail}]: "
                    f"give two different entity indices below {count}"
                )
        return pairs

    def relations(self, document: Document) -> Mapping[Pair, tuple[str, ...]]:
        return {pair: relations for pair, relations in self.by_title.get(document.title, {}).items() if relations}


def _read_file(path: Path, schema: RelationSchema) -> FilePairs:
    if not path.exists():
        raise InputError(f"--candidates {path}: no such file; give {GOLD}, {ALL} or a JSON file of pairs")
    by_title = whole_value(path, "the table of pairs", most=MAX_STORED_CHARACTERS)
    if not isinstance(by_title, dict):
        raise InputError(f"--candidates {path}: write one object {{title: [[head, tail], ...]}}")
    pairs = {title: _read_pairs(path, title, listed, schema) for title, listed in by_title.items()}
    return FilePairs(path.name, f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}", pairs)


def _read_pairs(path: Path, title: str, listed: object, schema: RelationSchema) -> Mapping[Pair, tuple[str, ...]]:
    """The distinct pairs of one document, in the order listed, each with the relations listed for it, if any."""
    where = f"--candidates {path}: {shown(title)}"
    if not isinstance(listed, list):
        raise InputError(f"{where} should have a list of pairs, not {reprlib.repr(listed)}")
    pairs: dict[Pair, tuple[str, ...]] = {}
    for item in listed:
        match item:
            case [int() as head, int() as tail, *more] if not isinstance(head, bool) and not isinstance(tail, bool):
                pairs[head, tail] = _read_relations(more, f"{where}: [{head}, {tail}, ...]", schema)
            case _:
                raise InputError(f"{where}: {reprlib.repr(item)} is no pair [head, tail] of entity indices")
    return pairs


def _read_relations(more: list[object], where: str, schema: RelationSchema) -> tuple[str, ...]:
    """What follows head and tail: nothing, or one list of relation ids."""
    match more:
        case []:
            return ()
        case [[_, *_] as relations]:
            known = [one for one in relations if isinstance(one, str) and one in schema.by_id]
            if unknown := [one for one in relations if one not in known]:
                unknown_one = reprlib.repr(unknown[0])
                raise InputError(f"{where}: the schema has no relation {unknown_one}; give ids such as P17")
            return tuple(dict.fromkeys(known))
        case _:
            raise InputError(f'{where} is no pair [head, tail], or [head, tail, ["P17", ...]] with its relations')
