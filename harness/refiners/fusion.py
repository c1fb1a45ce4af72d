"""Drell's probability fusion: what an encoder and an LLM think of a hard pair, added up option by option."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.errors import InputError


class Fused(NamedTuple):
    """The sums of a question's options, in their order, and the places of those that are predicted.

    ``uncertain`` says that probability which the provider did not return could have decided otherwise.
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
        an option has than ``model`` says. What may be missing counts for ``none``: a relation is predicted only
        where it exceeds all that ``none`` can have.
        """
        tempered = self._tempered(model)
        sums = tuple(
            self.encoder_weight * small + self.model_weight * large
            for small, large in zip(encoder, tempered, strict=True)
        )
        highest = [value + self.model_weight * more for value, more in zip(sums, unread, strict=True)]
        others = [option for option in range(len(sums)) if option != none]
        predicted = tuple(option for option in others if sums[option] > highest[none])
        possible = tuple(option for option in others if highest[option] > sums[none])
        return Fused(sums, predicted, predicted != possible)

    def _tempered(self, probabilities: Sequence[float]) -> list[float]:
        if self.model_temperature == 1:
            return list(probabilities)
        raised = [one ** (1 / self.model_temperature) for one in probabilities]
        total = sum(raised)
        return [one / total for one in raised] if total else raised
