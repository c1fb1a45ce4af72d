"""The points of a sweep as a CSV file or a figure."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StorageError

if TYPE_CHECKING:
    from harness.analyses.sweep import ThetaPoint
    from harness.analyses.thresholds import ThresholdPoint

    Points = Sequence[ThetaPoint] | Sequence[ThresholdPoint]

TABLE = ".csv"


def write_points(path: Path, points: Points, title: str, axis: str) -> None:
    """Write fractions (0 to 1) and counts to a CSV file, or draw precision, recall and F1 against ``axis``."""
    try:
        if path.suffix == TABLE:
            _write_table(path, points)
        else:
            _draw(path, points, title, axis)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def _write_table(path: Path, points: Points) -> None:
    rows = [point.as_json() for point in points]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _draw(path: Path, points: Points, title: str, axis: str) -> None:
    # Not pyplot: a figure of its own needs no screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    places = [point.as_json()[axis] for point in points]
    for name, style in (("precision", ":"), ("recall", "--"), ("f1", "-")):
        label = "F1" if name == "f1" else name
        axes.plot(places, [100 * getattr(point.scores, name) for point in points], style, color="black", label=label)
    axes.set_xlabel(axis)
    axes.set_ylabel("percent")
    axes.set_title(title, fontsize="small")
    axes.legend()
    figure.savefig(path)
