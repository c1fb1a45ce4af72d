"""The curve of a training as a figure: losses by epoch, and F1 where epochs were answered."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.encoders.weights import storing

if TYPE_CHECKING:
    from harness.training.trainer import Epoch

FIGURE = "curve.svg"


def draw_training(folder: Path, curve: Sequence[Epoch], best: int) -> bool:
    """Write ``curve.svg``, the epoch ``best`` marked; False, and nothing written, where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    losses = [(line.epoch, line.loss) for line in curve]
    held_out = [(line.epoch, line.held_out_loss) for line in curve if line.held_out_loss is not None]
    scores = [(line.epoch, 100 * line.f1) for line in curve if line.f1 is not None]
    figure = Figure(figsize=(6.4, 3.2 if scores else 2.8), layout="constrained")
    left, *right = figure.subplots(1, 2 if scores else 1, squeeze=False)[0]
    left.plot(*zip(*losses, strict=True), "o-", label="training")
    if held_out:
        left.plot(*zip(*held_out, strict=True), "s--", label="choosing documents")
    left.set_ylabel("loss per token of an answer")
    left.legend()
    for axes in right:
        axes.plot(*zip(*scores, strict=True), "o-")
        axes.set_ylabel("F1 on choosing documents, percent")
    for axes in (left, *right):
        axes.axvline(best, color="grey", linestyle=":")
        axes.set_xlabel("epoch (dotted: kept)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    with storing(folder):
        figure.savefig(folder / FIGURE)
    return True
