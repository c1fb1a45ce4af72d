"""p-values of many tests, corrected for their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Correction = Literal["holm", "benjamini-hochberg"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted so that those below a level bound the chance of any false rejection by it (Holm, 1979)."""
    import numpy as np

    order, ordered = _ordered(p_values)
    adjusted = np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1))
    return _in_place(order, adjusted)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted so that those below a level bound the expected share of false rejections by it (1995)."""
    import numpy as np

    order, ordered = _ordered(p_values)
    scaled = ordered * len(ordered) / np.arange(1, len(ordered) + 1)
    return _in_place(order, np.minimum.accumulate(scaled[::-1])[::-1])


CORRECTIONS: Mapping[Correction, Callable[[Sequence[float]], list[float]]] = {
    "holm": holm,
    "benjamini-hochberg": benjamini_hochberg,
}


def _ordered(p_values: Sequence[float]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    import numpy as np

    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values)
    return order, values[order]


def _in_place(order: NDArray[np.intp], adjusted: NDArray[np.float64]) -> list[float]:
    import numpy as np

    placed = np.empty(len(order))
    placed[order] = np.minimum(adjusted, 1.0)
    return [float(value) for value in placed]
