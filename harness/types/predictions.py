"""What comes back: what a method or an encoder made of a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from harness.types.documents import Document, Entity, Triplet
from harness.types.requests import Completion, Request, Status
from harness.types.runners import Ask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


RELATED = "related"
"""The one relation of what proposes candidate pairs: the pair holds some relation."""

EVIDENCE_SHARE = 0.2
"""A sentence with a larger share of a pair's attention is evidence, as in DREEAM (Ma et al., EACL 2023)."""


class RawTriplet(NamedTuple):
    """A triplet as the model wrote it, unescaped: entity references and relation are still text."""

    head: str
    """The head's reference."""
    relation: str
    """The relation's name."""
    tail: str
    """The tail's reference."""

    @property
    def evidence(self) -> tuple[int, ...]:
        """The sentences that the model named for it, where it was asked to."""
        return ()


class SupportedTriplet(RawTriplet):
    """A triplet with the sentences that the model named for it, which count in no comparison with others."""

    evidence: tuple[int, ...] = ()

    def __new__(cls, triplet: RawTriplet, evidence: tuple[int, ...]) -> Self:
        """The triplet with these sentences."""
        one = super().__new__(cls, *triplet)
        one.evidence = evidence
        return one


@dataclass(frozen=True, slots=True)
class Reject:
    """A piece of a model's answer that became no prediction, and why.

    ``reason`` is a fixed word such as ``malformed``, ``unknown_entity`` or ``self_pair``; ``text``
    is what the model wrote.
    """

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """A triplet that a system claims, with optional evidence sentences and score."""

    triplet: Triplet
    """What is claimed."""
    evidence: tuple[int, ...] = ()
    """Indices of sentences that state it; empty where none are predicted."""
    score: float | None = None
    """How sure the system is, higher for surer; None where it does not say."""


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange with the model, kept for inspection; ``status`` is that of its answer alone."""

    name: str
    """Which question of the method it was."""
    request: Request
    """What was asked."""
    completion: Completion
    """What was answered."""
    status: Status = "ok"


@dataclass(frozen=True, slots=True)
class Extraction:
    """What a method made of one document.

    ``entities`` are those that the method found itself, in a document that came without any; predictions
    then refer to them. ``details`` counts what is worth knowing beside the triplets (fuzzy matches,
    repeated lines); its keys are stable words, its values JSON.
    """

    predictions: tuple[Prediction, ...]
    """The triplets, each once."""
    status: Status = "ok"
    """The worst status of the answers."""
    error: str = ""
    """Why the status is not ok; else empty."""
    rejects: tuple[Reject, ...] = ()
    """What of the answers became no prediction."""
    steps: tuple[Step, ...] = ()
    """The exchanges, in the order in which they were asked."""
    entities: tuple[Entity, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)


class Method(Protocol):
    """How one document becomes predictions by asking a model."""

    async def extract(self, document: Document, ask: Ask) -> Extraction: ...


@dataclass(frozen=True, eq=False)
class PairScores:
    """The scores of a document's ordered pairs: ``pairs`` [p, 2], head and tail, h != t; ``scores`` [p, relations + 1].

    The last column is NA's: a relation is predicted for a pair where it scores above NA. Scores are logits,
    with any chosen threshold already in NA's. ``sentences`` [p, sentences]: the share of each sentence in the pair's
    attention, from 0 to 1; None where the scores tell of no evidence.
    """

    title: str
    """The document's title."""
    relations: tuple[str, ...]
    """The ids of the columns of scores, without NA."""
    pairs: NDArray[np.integer]
    scores: NDArray[np.floating]
    sentences: NDArray[np.floating] | None = None

    @property
    def margins(self) -> NDArray[np.floating]:
        """How far each relation scores above NA, [p, relations]."""
        return self.scores[:, :-1] - self.scores[:, -1:]

    def predictions(self) -> tuple[Prediction, ...]:
        """The predicted triplets, each with its margin over NA as score (a finite number), pair by pair."""
        import numpy as np

        margins = np.nan_to_num(self.margins)
        return tuple(
            self._prediction(row, column, margins) for row, column in zip(*(margins > 0).nonzero(), strict=True)
        )

    def best(self, pairs: Iterable[tuple[int, int]]) -> tuple[Prediction, ...]:
        """The best relation of each of these pairs, whatever NA scores, with its margin over NA as score."""
        import numpy as np

        margins = np.nan_to_num(self.margins)
        rows = {(int(head), int(tail)): row for row, (head, tail) in enumerate(self.pairs)}
        return tuple(
            self._prediction(row, int(margins[row].argmax()), margins)
            for row in (rows[head, tail] for head, tail in pairs)
        )

    def evidence(self, row: int) -> tuple[int, ...]:
        """The evidence sentences of the pair in this row; a pair's relations share them."""
        return () if self.sentences is None else tuple((self.sentences[row] > EVIDENCE_SHARE).nonzero()[0].tolist())

    def _prediction(self, row: int, column: int, margins: NDArray[np.floating]) -> Prediction:
        head, tail = self.pairs[row].tolist()
        score = round(float(margins[row, column]), 4)
        return Prediction(Triplet(head, self.relations[column], tail), self.evidence(row), score)


class PairScorer(Protocol):
    """A trained encoder. ``identity`` tells its scores from another's; ``relations`` are those of its scores."""

    identity: Mapping[str, str]
    relations: tuple[str, ...]

    def score(self, documents: Iterable[Document]) -> Iterator[PairScores]:
        """The scores of each document in turn; few documents are held at a time."""
        ...
