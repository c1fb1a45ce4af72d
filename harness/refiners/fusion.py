"""Drell's probability fusion: what an encoder and an LLM think of a hard pair, added up option by option."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.errors import InputError


class Fused(NamedTuple):
    """The sums of a question's options as they were read, in their order, and the places of those that are predicted.

    ``uncertain`` says that probability which the provider did not return could have decided otherwise: some option
    is predicted under one distribution of it and not under another.
    """

    sums: tuple[float, ...]
    predicted: tuple[int, ...]
    uncertain: bool


@dataclass(frozen=True)
class Fusion:
    """Adds probabilities, each weighted; those of the LLM can be tempered: p ** (1 / temperature), made to sum to 1.

    Raises InputError for weights and temperatures that make no sense.
    """

    encoder_weight: float = 1.0
    model_weight: float = 1.0
    model_temperature: float = 1.0

    def __post_init__(self) -> None:
        for name in ("encoder_weight", "model_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"-R {name}={getattr(self, name):g}: give a number of at least 0")
        if not self.encoder_weight + self.model_weight:
            raise InputError("-R encoder_weight=0 model_weight=0: nothing would be left to add up")
        if not self.model_temperature > 0:
            raise InputError(f"-R model_temperature={self.model_temperature:g}: give a number above 0")

    def fuse(self, encoder: Sequence[float], model: Sequence[float], unread: Sequence[float], none: int) -> Fused:
        """Every relation whose sum exceeds that of the option ``none`` is predicted, so several can be, or no one.

        ``encoder`` and ``model`` are probabilities in the order of the options; ``unread`` is at most how much more
        an option has than ``model`` says, before all are made to sum to 1 again. A relation is predicted only where
        it exceeds ``none`` wherever the unread probability lies.
        """
        # With the masses m (read, and any part of the unread) and y = m ** (1 / T), a relation r exceeds none if
        #   encoder_weight * (e_r - e_none) + model_weight * (y_r - y_none) / (y_r + y_none + S) > 0
        # with S, the sum of all other y. The fraction grows with y_r (its derivative is (2 y_none + S) / (...)²) and
        # falls with y_none (-(2 y_r + S) / (...)²). S draws it to 0: it falls with S where y_r > y_none, and else
        # grows. So of all distributions of the unread mass, one of two decides: the least favourable one gives r
        # nothing, none all it can have, and others all if r is still above none, else nothing; the most favourable
        # one is its opposite. T = 1 is no exception, for unread mass of any option makes all others smaller.
        sums = self._sums(encoder, model)
        most = [read + more for read, more in zip(model, unread, strict=True)]
        others = [option for option in range(len(sums)) if option != none]

        def exceeds(option: int, of_option: Sequence[float], of_none: Sequence[float]) -> bool:
            rest = of_none if of_option[option] >= of_none[none] else of_option
            masses = [of_option[i] if i == option else of_none[i] if i == none else rest[i] for i in range(len(sums))]
            total = 1 + sum(mass - read for mass, read in zip(masses, model, strict=True))
            extreme = self._sums(encoder, [mass / total for mass in masses])
            return extreme[option] > extreme[none]

        predicted = tuple(option for option in others if exceeds(option, model, most))
        possible = tuple(option for option in others if exceeds(option, most, model))
        return Fused(sums, predicted, predicted != possible)

    def _sums(self, encoder: Sequence[float], model: Sequence[float]) -> tuple[float, ...]:
        return tuple(
            self.encoder_weight * small + self.model_weight * large
            for small, large in zip(encoder, tempered(model, self.model_temperature), strict=True)
        )


def tempered(probabilities: Sequence[float], temperature: float) -> list[float]:
    """Each p ** (1 / temperature), made to sum to 1."""
    if temperature == 1:
        return list(probabilities)
    logs = [math.log(one) / temperature if one > 0 else -math.inf for one in probabilities]
    highest = max(logs)
    if highest == -math.inf:
        return list(probabilities)
    odds = [math.exp(one - highest) for one in logs]
    return [one / sum(odds) for one in odds]
