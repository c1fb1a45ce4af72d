"""The options of a refinement, as ``-R key=value`` gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import InputError
from harness.refiners.fusion import Fusion
from harness.refiners.task_distribution import TaskDistribution


@dataclass(frozen=True)
class RefineOptions:
    """``k``, ``hardness`` and ``encoder_temperature`` of the task distribution; the rest is the fusion's."""

    k: int = 4
    hardness: float = 0.3
    encoder_temperature: float = 1.0
    encoder_weight: float = 1.0
    model_weight: float = 1.0
    model_temperature: float = 1.0

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> RefineOptions:
        """Raises InputError for an unknown key, or a value that is no number or makes no sense."""
        known = cls.__dataclass_fields__
        numbers: dict[str, float] = {}
        for key, text in texts.items():
            if key not in known:
                raise InputError(f"-R {key}: a refinement has the options {', '.join(known)}")
            try:
                numbers[key] = int(text) if key == "k" else float(text)
            except ValueError:
                raise InputError(f"-R {key}={text}: write a {'whole ' if key == 'k' else ''}number") from None
        options = cls(**numbers)  # type: ignore[arg-type] # k alone is whole, and was read so
        # Made once now, so that what makes no sense is said before anything is spent.
        _ = options.distribution, options.fusion
        return options

    @property
    def distribution(self) -> TaskDistribution:
        return TaskDistribution(self.k, self.hardness, self.encoder_temperature)

    @property
    def fusion(self) -> Fusion:
        return Fusion(self.encoder_weight, self.model_weight, self.model_temperature)
