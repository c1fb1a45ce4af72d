"""Simulated systems whose true F1 is known, and how often intervals and tests are right about them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.scoring.counts import Counts
from harness.scoring.resampling import Randomisation, Resampling

RECALL, WRONG, AGREEMENT = 0.4, 8.0, 0.8
SIGNIFICANT = 0.05
GOLD_SHAPE, GOLD_SCALE = 4, 6
GOLD_PER_DOCUMENT = GOLD_SHAPE * GOLD_SCALE


def golds(rng: np.random.Generator, documents: int) -> NDArray[np.int64]:
    """The number of gold triplets of each document, 24 on average, and as uneven as in real corpora."""
    return rng.poisson(rng.gamma(GOLD_SHAPE, GOLD_SCALE, documents))


def simulated(rng: np.random.Generator, recall: float, wrong: float, gold: NDArray[np.int64]) -> list[Counts]:
    """A system that finds each gold triplet with probability ``recall`` and adds Poisson(``wrong``) wrong ones."""
    correct = rng.binomial(gold, recall)
    predicted = correct + rng.poisson(wrong, len(gold))
    return [Counts(*map(int, row)) for row in zip(correct, predicted, gold, strict=True)]


def true_f1(recall: float, wrong: float) -> float:
    """The F1 of such a system over infinitely many documents."""
    return 2 * recall * GOLD_PER_DOCUMENT / (recall * GOLD_PER_DOCUMENT + wrong + GOLD_PER_DOCUMENT)


def disagreeing(
    rng: np.random.Generator, recall: float, wrong: float, gold: NDArray[np.int64], agreement: float
) -> tuple[list[Counts], list[Counts]]:
    """Two such systems that give the same answer to a share ``agreement`` of all triplets, their own to the rest."""
    shared_gold = rng.binomial(gold, agreement)
    shared = np.array(simulated(rng, recall, wrong * agreement, shared_gold))

    def system() -> list[Counts]:
        own = np.array(simulated(rng, recall, wrong * (1 - agreement), gold - shared_gold))
        return [Counts(*map(int, row)) for row in shared + own]

    return system(), system()


class Shares(NamedTuple):
    """Shares of simulations: of intervals that cover the true F1, and of true nulls that a test at 0.05 rejects.

    The null is true of independent systems of one kind, and of systems that mostly agree, as runs of one model do.
    """

    covered: float
    independent_by_bootstrap: float
    independent_by_randomisation: float
    agreeing_by_bootstrap: float
    agreeing_by_randomisation: float


def shares(simulations: int, documents: int, resamples: int) -> Shares:
    """Simulate evaluations, each over documents and with resamples of its own."""
    rng = np.random.default_rng(11)
    truth = true_f1(RECALL, WRONG)
    counted = np.zeros(len(Shares._fields))
    for number in range(simulations):
        resampling, tests = Resampling(documents, resamples, number), Randomisation(documents, resamples, number)
        gold = golds(rng, documents)
        one, other = (simulated(rng, RECALL, WRONG, gold) for _ in range(2))
        like_one, like_other = disagreeing(rng, RECALL, WRONG, gold, AGREEMENT)
        interval = resampling.interval(one)
        counted += [
            interval.low <= truth <= interval.high,
            resampling.difference([one], [other]).p_value < SIGNIFICANT,
            tests.p_value(one, other) < SIGNIFICANT,
            resampling.difference([like_one], [like_other]).p_value < SIGNIFICANT,
            tests.p_value(like_one, like_other) < SIGNIFICANT,
        ]
    return Shares(*counted / simulations)
