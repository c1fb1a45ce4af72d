"""Ablations: a grid of runs that share one model and one journal, and what each axis does to F1."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.analyses.grid import Axis, Cell
from harness.analyses.planned_cells import plan_cells
from harness.analyses.stored import store_analysis
from harness.datasets.gold import with_gold
from harness.engine.session import RunnerSession
from harness.runs.batch import execute_in_batches
from harness.runs.config import RunConfig
from harness.runs.execute import HandedIn, Observer, execute
from harness.runs.results import RunResult
from harness.scoring.counts import Counts
from harness.scoring.resampling import Difference, Interval, Resampling, in_order

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "ablations"


@dataclass(frozen=True)
class Effect:
    """What a value of an axis does: its mean F1 minus the baseline's, over ``cells`` pairs of runs."""

    axis: Axis
    value: str
    cells: int
    difference: Difference


@dataclass(frozen=True)
class Ablation:
    """The finished grid: a run for every cell that is possible, and why the others are not."""

    model: str
    axes: tuple[Axis, ...]
    runs: Sequence[tuple[Cell, RunResult]]
    impossible: Sequence[tuple[Cell, str]]

    @property
    def name(self) -> str:
        """Dataset, model and axes, then a hash of the runs: the same grid is the same ablation."""
        ids = sorted(result.folder.run_id for _, result in self.runs)
        first = ids[0].split("-")
        digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:8]
        return "-".join([*first[:3], *(axis.name for axis in self.axes), digest])

    @property
    def silver(self) -> str:
        """What to say of the labels if no human wrote them; else empty."""
        return self.runs[0][1].label_source.silver

    @cached_property
    def effects(self) -> Sequence[Effect]:
        """One effect per axis and value beside the baseline; the intervals resample all runs together."""
        counts = {_key(cell): rows for (cell, _), rows in zip(self.runs, self._counts, strict=True)}
        effects = []
        for axis in self.axes:
            for value in axis.values[1:]:
                pairs = [
                    (counts[baseline], counts[_key(cell)])
                    for cell, _ in self.runs
                    if cell[axis.name] == value and (baseline := _key({**cell, axis.name: axis.baseline})) in counts
                ]
                if pairs:
                    first, second = zip(*pairs, strict=True)
                    effects.append(Effect(axis, value, len(pairs), self._resampling.difference(first, second)))
        return effects

    @cached_property
    def intervals(self) -> Sequence[Interval]:
        """The interval of every run's F1, in the order of the runs."""
        return list(map(self._resampling.interval, self._counts))

    @cached_property
    def _counts(self) -> Sequence[Sequence[Counts]]:
        """A row of counts per document for every run, the documents always in the same order."""
        titles = list(self.runs[0][1].metrics.per_document)
        return [in_order(result.metrics.per_document, titles) for _, result in self.runs]

    @cached_property
    def _resampling(self) -> Resampling:
        return Resampling(len(self._counts[0]))

    def runs_table(self) -> pd.DataFrame:
        """A row per run: the cell, scores with the interval of F1, coverage, requests, tokens, seconds, run id."""
        import pandas as pd

        rows = [
            {
                **cell,
                **{name: getattr(result.metrics.official, name) for name in ("precision", "recall", "f1")},
                "f1_low": interval.low,
                "f1_high": interval.high,
                "coverage": result.coverage,
                "requests": result.manifest.usage.requests,
                "tokens": result.manifest.usage.tokens,
                "seconds": result.seconds,
                "run_id": result.folder.run_id,
            }
            for (cell, result), interval in zip(self.runs, self.intervals, strict=True)
        ]
        return pd.DataFrame(rows)

    def effects_table(self) -> pd.DataFrame:
        """A row per effect: axis, value, baseline, cells, difference of F1 with its interval, p-value."""
        import pandas as pd

        rows = [
            {
                "axis": effect.axis.name,
                "value": effect.value,
                "baseline": effect.axis.baseline,
                "cells": effect.cells,
                "f1_difference": effect.difference.value,
                "low": effect.difference.interval.low,
                "high": effect.difference.interval.high,
                "p_value": effect.difference.p_value,
            }
            for effect in self.effects
        ]
        return pd.DataFrame(rows)

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints and ``ablation.json`` holds."""
        return {
            "ablation": self.name,
            "model": self.model,
            "axes": {axis.name: list(axis.values) for axis in self.axes},
            "silver": self.silver or None,
            "runs": self.runs_table().to_dict("records"),
            "effects": self.effects_table().to_dict("records"),
            "impossible": [{"cell": dict(cell), "reason": reason} for cell, reason in self.impossible],
        }

    def store(self, results: Path) -> Path:
        """Write ``ablation.json``, ``runs.csv`` and ``effects.csv``; returns their folder, or raises StorageError."""
        folder = results / FOLDER / self.name
        tables = {"runs": self.runs_table(), "effects": self.effects_table()}
        store_analysis(folder, "ablation", self.as_json(), tables)
        return folder


async def run_ablation(
    config: RunConfig,
    axes: Sequence[Axis],
    observe: Callable[[int, int, Cell], Observer],
    in_batches: bool = False,
) -> Ablation:
    """Run every cell, one after the other, on one model that is started once.

    ``observe`` is called with the number of the cell, their number and the cell. Cells whose values contradict
    each other are left out with the reason. ``in_batches``, the first batches of all cells are handed in before the
    first is waited for. Raises InputError if none is left or the documents have no labels, else
    what ``execute`` raises.
    """
    planned, impossible = plan_cells(config, axes)
    with_gold(planned[0][1].dataset, "an ablation")
    runs: list[tuple[Cell, RunResult]] = []
    if in_batches:
        for waits in (False, True):
            runs = []
            for number, (cell, experiment) in enumerate(planned, 1):
                observer = observe(number, len(planned), cell)
                try:
                    runs.append((cell, await execute_in_batches(experiment, observer, waits=waits)))
                except HandedIn:
                    continue
        return Ablation(config.model, tuple(axes), runs, impossible)
    async with RunnerSession(planned[0][1].runner) as session:
        for number, (cell, experiment) in enumerate(planned, 1):
            observer = observe(number, len(planned), cell)
            runs.append((cell, await execute(experiment, observer, session=session)))
    return Ablation(config.model, tuple(axes), runs, impossible)


def ablation_on_ray(
    config: RunConfig, axes: Sequence[Axis], cluster: str, workers: int, advance: Callable[[int], None]
) -> Ablation:
    """As ``run_ablation``, but each cell is run by a worker of a Ray cluster; ``advance`` hears of documents done."""
    from harness.runs.on_ray import runs_on_ray

    planned, impossible = plan_cells(config, axes)
    with_gold(planned[0][1].dataset, "an ablation")
    results = runs_on_ray([experiment for _, experiment in planned], cluster, workers, advance)
    runs = [(cell, result) for (cell, _), result in zip(planned, results, strict=True)]
    return Ablation(config.model, tuple(axes), runs, impossible)


def _key(cell: Cell) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(cell.items()))
