"""Candidate pairs: where the pairs come from that a model is asked to classify (LMRC, section 3.1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.errors import InputError
from harness.types import Document

GOLD = "gold"

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


def load_pair_source(candidates: str) -> PairSource:
    """``gold``, or the path of a JSON file ``{title: [[head, tail], ...]}`` of entity indices from 0.

    Raises InputError for a file that cannot be read or has another shape.
    """
    return GoldPairs() if candidates == GOLD else _read_file(Path(candidates))


@dataclass(frozen=True)
class AllPairs:
    """All n(n-1) ordered pairs of a document's n entities, by head, then by tail."""

    name: str = "all"
    identity: str = "all"

    def pairs(self, document: Document) -> tuple[Pair, ...]:
        entities = range(len(document.entities))
        return tuple((head, tail) for head in entities for tail in entities if head != tail)


@dataclass(frozen=True)
class GoldPairs:
    """The pairs that the document's labels relate: the upper bound of any proposer (LMRC, Table 5)."""

    name: str = GOLD
    identity: str = GOLD

    def pairs(self, document: Document) -> tuple[Pair, ...]:
        return tuple(sorted({(label.triplet.head, label.triplet.tail) for label in document.labels}))


@dataclass(frozen=True)
class FilePairs:
    """The pairs that a file lists under the document's title."""

    name: str
    identity: str
    by_title: Mapping[str, tuple[Pair, ...]]

    def pairs(self, document: Document) -> tuple[Pair, ...]:
        pairs = self.by_title.get(document.title)
        if pairs is None:
            raise InputError(
                f"candidates {self.name} has no document {document.title!r}: list its pairs, or [] where it has none"
            )
        count = len(document.entities)
        for head, tail in pairs:
            if not (0 <= head < count and 0 <= tail < count) or head == tail:
                raise InputError(
                    f"candidates {self.name}: {document.title!r} cannot have the pair [{head}, {tail}]: "
                    f"give two different entity indices below {count}"
                )
        return pairs


def _read_file(path: Path) -> FilePairs:
    try:
        content = path.read_bytes()
        by_title = json.loads(content)
    except OSError as error:
        raise InputError(f"--candidates {path}: {error.strerror}; give {GOLD} or a JSON file of pairs") from error
    except ValueError as error:
        raise InputError(f"--candidates {path} is not JSON: {error}") from error
    if not isinstance(by_title, dict):
        raise InputError(f"--candidates {path}: write one object {{title: [[head, tail], ...]}}")
    pairs = {title: _read_pairs(path, title, listed) for title, listed in by_title.items()}
    return FilePairs(path.name, f"sha256:{hashlib.sha256(content).hexdigest()}", pairs)


def _read_pairs(path: Path, title: str, listed: object) -> tuple[Pair, ...]:
    """The distinct pairs of one document, in the order listed."""
    if not isinstance(listed, list):
        raise InputError(f"--candidates {path}: {title!r} should have a list of pairs, not {listed!r}")
    pairs: dict[Pair, None] = {}
    for item in listed:
        match item:
            case [int() as head, int() as tail] if not isinstance(head, bool) and not isinstance(tail, bool):
                pairs[head, tail] = None
            case _:
                raise InputError(f"--candidates {path}: {title!r}: {item!r} is no pair [head, tail] of entity indices")
    return tuple(pairs)
