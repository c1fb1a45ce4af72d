"""The cells of a grid as checked experiments: everything is checked before the first request is sent."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analyses.grid import Axis, Cell, cells, configuration
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.plan import Experiment, prepare


def plan_cells(config: RunConfig, axes: Sequence[Axis]) -> tuple[list[tuple[Cell, Experiment]], list[tuple[Cell, str]]]:
    """The experiment of every cell that is possible, and why the others are not; InputError if none is."""
    planned: list[tuple[Cell, Experiment]] = []
    impossible: list[tuple[Cell, str]] = []
    for cell in cells(axes):
        try:
            planned.append((cell, prepare(configuration(config, cell))))
        except InputError as error:
            impossible.append((cell, str(error)))
    if not planned:
        raise InputError(f"no cell of the grid can be run: {impossible[0][1]}")
    return planned, impossible
