"""Votes: several samples of a document's answers, or several runs, decide which triplets are predicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.alignment.decisions import as_details, decisions_of
from harness.answers.status import worst_status
from harness.methods.asking import all_of
from harness.methods.base import Demonstration, PromptMethod
from harness.methods.windowed import OF_THE_DOCUMENT
from harness.types import Ask, Document, Extraction, PacedAsk, Prediction, Triplet

LEAST_SHARE = 0.5
"""The share of votes from which on a triplet is predicted, unless the user says otherwise."""

_ROUNDING = 1e-9


def voted(claims: Sequence[Iterable[Prediction]], least_share: float) -> tuple[Prediction, ...]:
    """The triplets that at least the share ``least_share`` of ``claims`` hold, with that share as their score.

    Triplets come in the order of the first claim that holds each. Evidence are the sentences that the same share of
    the claims that hold a triplet name for it.
    """
    votes: dict[Triplet, list[tuple[int, ...]]] = {}
    for claim in claims:
        stated: dict[Triplet, tuple[int, ...]] = {}
        for one in claim:
            stated.setdefault(one.triplet, one.evidence)
        for triplet, evidence in stated.items():
            votes.setdefault(triplet, []).append(evidence)
    return tuple(
        Prediction(triplet, _named(several, least_share), round(len(several) / len(claims), 4))
        for triplet, several in votes.items()
        if len(several) >= least_share * len(claims) - _ROUNDING
    )


def _named(evidence: Sequence[tuple[int, ...]], least_share: float) -> tuple[int, ...]:
    counts = Counter(sentence for one in evidence for sentence in set(one))
    return tuple(sorted(one for one, count in counts.items() if count >= least_share * len(evidence) - _ROUNDING))


@dataclass(frozen=True)
class Voting:
    """Each of ``samples`` is the same method under another number of repetition; they are asked in their order.

    A document is only ``ok`` if all its samples are; what the others state counts all the same. A sample without an
    answer ends the document with its error: a vote of fewer would be another method, and the answers that were drawn
    are in the journal. Details are summed, but for those of the document, and ``samples`` tells how many there were.
    """

    samples: tuple[PromptMethod, ...]
    least_share: float

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        if isinstance(ask, PacedAsk) and not ask.first_alone:
            drawn = await all_of(sample.extract(document, ask) for sample in self.samples)
        else:
            drawn = [await sample.extract(document, ask) for sample in self.samples]
        status, error = worst_status([(one.status, one.error) for one in drawn], "samples")
        return Extraction(
            predictions=voted([one.predictions for one in drawn], self.least_share),
            status=status,
            error=error,
            rejects=tuple(reject for one in drawn for reject in one.rejects),
            steps=tuple(step for one in drawn for step in one.steps),
            details={**_summed([one.details for one in drawn]), "samples": len(drawn)},
        )

    def demonstrate(self, document: Document) -> list[Demonstration]:
        return self.samples[0].demonstrate(document)


def _summed(details: Collection[Mapping[str, object]]) -> dict[str, object]:
    """The sums of all counts, whether anything was true of any sample, and all decisions of alignment.

    What is of the document is the same in every sample, and counted once. Everything else is left out.
    """
    summed: dict[str, object] = {}
    for name in dict.fromkeys(name for one in details for name in one):
        values = [value for one in details if isinstance(value := one.get(name), int)]
        if name in OF_THE_DOCUMENT and values:
            summed[name] = max(values)
        elif values:
            summed[name] = any(values) if all(isinstance(value, bool) for value in values) else sum(values)
    return summed | as_details([decision for one in details for decision in decisions_of(one)])
