"""Where the labels of documents come from, and what stands beside a score for that reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LabelKind = Literal["human", "distant", "model", "none"]

NOT_SCORED = "no gold labels: not scored"

_LEAST_TRUSTED_FIRST: tuple[LabelKind, ...] = ("none", "model", "distant")
_SILVER = {"model": "silver: labels written by a model", "distant": "silver: labels of distant supervision"}


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Who labelled a document: a human, distant supervision (a knowledge base aligned with text), or a model.

    ``none`` is a document without gold, which is not one that is labelled with no triplet. ``name`` is that of the
    model or of the method, where it is known.
    """

    kind: LabelKind = "human"
    name: str = ""

    @classmethod
    def merged(cls, sources: Iterable[LabelSource]) -> LabelSource:
        """One source for documents of several: the kind that is trusted least, with its names; human for none."""
        distinct = set(sources)
        kinds = {source.kind for source in distinct}
        kind: LabelKind = next((one for one in _LEAST_TRUSTED_FIRST if one in kinds), "human")
        return cls(kind, ", ".join(sorted(one.name for one in distinct if one.kind == kind and one.name)))

    @property
    def is_gold(self) -> bool:
        """Whether there are labels, and humans wrote them."""
        return self.kind == "human"

    @property
    def silver(self) -> str:
        """What to say beside a score against labels that no human wrote; empty for all others."""
        words = _SILVER.get(self.kind, "")
        return f"{words} ({self.name})" if words and self.name else words


HUMAN, NO_LABELS = LabelSource(), LabelSource("none")
