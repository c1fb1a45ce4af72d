"""The figures of a report, drawn by matplotlib as SVG files, each for light and for dark pages.

Figures are files of their own, shown as images: an SVG image can run nothing, whatever a model's name holds.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from harness.report.stored_tables import FewShotPoint, ThetaSweep

Draw = Callable[["Axes"], None]
THEMES = {"light": ("#1d2733", "#d5dce4"), "dark": ("#e3e8ee", "#3a4552")}
"""Theme: the colour of text and lines, and that of the grid; the page shows through."""
MARKERS = "osD^vPX*<>"
LONGEST_LABEL = 44
LIGHT_MAP, DARK_MAP = "Blues", "Blues_r"
"""Zero is what is nearest to the page."""

_INK, _GRID = THEMES["light"]
_STYLE: dict[str, Any] = {
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
    "grid.color": _GRID,
    # Of Okabe and Ito (2008), which readers of all kinds of colour vision tell apart; no black or yellow.
    "axes.prop_cycle": "cycler('color', ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9'])",
    "image.cmap": LIGHT_MAP,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "harness",
    # A dollar sign in a model's name is no formula.
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Figure:
    """A drawing with what it says in words; ``size`` is in inches, ``table`` the numbers behind it, heading first."""

    name: str
    title: str
    caption: str
    draw: Draw
    size: tuple[float, float] = (7.2, 4.2)
    table: Sequence[Sequence[str]] = field(default_factory=tuple)


def write_figure(folder: Path, figure: Figure) -> None:
    """Write ``NAME-light.svg`` and ``NAME-dark.svg``; the same figure gives the same bytes.

    It is drawn and laid out once, which takes most of the time: the dark one is the light one in other colours.
    """
    from matplotlib import style
    from matplotlib.figure import Figure as Canvas

    with style.context(_STYLE):
        # Not pyplot: a figure of its own needs no screen.
        canvas = Canvas(figsize=figure.size, layout="constrained")
        figure.draw(canvas.add_subplot())
        dark = light = _as_svg(canvas)
        if images := [image for axes in canvas.axes for image in axes.get_images()]:
            for image in images:
                image.set_cmap(DARK_MAP)
            canvas.set_layout_engine("none")
            dark = _as_svg(canvas)
    for colour, other in zip(*THEMES.values(), strict=True):
        dark = dark.replace(colour, other)
    for theme, svg in zip(THEMES, (light, dark), strict=True):
        (folder / f"{figure.name}-{theme}.svg").write_text(svg, encoding="utf-8")


def _as_svg(canvas: Canvas) -> str:
    text = io.StringIO()
    canvas.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()


def scatter(points: Sequence[tuple[float, float, str]], label: str) -> Draw:
    """F1 in percent against a positive quantity; points are (x, F1, short name)."""

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import NullFormatter

        lowest, highest = min(point[0] for point in points), max(point[0] for point in points)
        for number, (x, f1, name) in enumerate(points):
            axes.plot(x, f1, MARKERS[number % len(MARKERS)], markersize=8, color=f"C{number % 6}")
            axes.annotate(name, (x, f1), textcoords="offset points", xytext=(7, 4), fontsize=9)
        if highest > 10 * lowest:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.10g}")
        axes.margins(0.12)
        _label(axes, label, "F1 (%)")

    return draw


def lines(curves: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str, *, from_zero: bool = False) -> Draw:
    """One line a name over (x, y); ``from_zero`` starts both axes at 0."""

    def draw(axes: Axes) -> None:
        for number, (name, points) in enumerate(curves.items()):
            axes.plot(
                *zip(*points, strict=True), label=shortened(name), marker=MARKERS[number % len(MARKERS)], markersize=4,
                markevery=max(1, len(points) // 12),
            )  # fmt: skip
        if from_zero:
            axes.set_xlim(left=0)
            axes.set_ylim(bottom=0)
        _label(axes, x, y)
        _legend(axes, len(curves))

    return draw


def theta(sweeps: Sequence[ThetaSweep]) -> Draw:
    """F1 against theta (LMRC, Figure 3)."""
    curves = {sweep.name: [(point, 100 * f1) for point, f1 in sweep.points] for sweep in sweeps if sweep.points}
    return lines(curves, "theta", "F1 (%)")


def bands(curves: Mapping[str, Sequence[FewShotPoint]]) -> Draw:
    """Mean F1 against the number of examples, with a band from the lowest to the highest seed."""

    def draw(axes: Axes) -> None:
        for number, (name, points) in enumerate(curves.items()):
            counts = [point.n for point in points]
            colour = f"C{number % 6}"
            axes.plot(
                counts, [100 * point.mean for point in points], marker=MARKERS[number % len(MARKERS)], color=colour,
                label=shortened(name),
            )  # fmt: skip
            low, high = [100 * point.low for point in points], [100 * point.high for point in points]
            axes.fill_between(counts, low, high, color=colour, alpha=0.25, linewidth=0)
        # Linear up to one example, so that none has a place.
        axes.set_xscale("symlog", linthresh=1)
        ticks = sorted({point.n for points in curves.values() for point in points})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        _label(axes, "examples", "F1 (%)")
        _legend(axes, len(curves))

    return draw


def effects(rows: Sequence[tuple[str, float, float, float]]) -> Draw:
    """Differences of F1 in points with their intervals: (name, difference, low, high), the first at the top."""

    def draw(axes: Axes) -> None:
        places = range(len(rows), 0, -1)
        axes.axvline(0, color=axes.spines["left"].get_edgecolor(), linewidth=0.8)
        for place, (_, value, low, high) in zip(places, rows, strict=True):
            axes.plot([low, high], [place, place], color="C0", linewidth=2)
            axes.plot(value, place, "o", color="C0", markersize=6)
        axes.set_yticks(list(places), [shortened(row[0]) for row in rows])
        axes.margins(y=0.1)
        _label(axes, "difference of F1 (points)", "")

    return draw


def heat_map(values: Sequence[Sequence[float | None]], rows: Sequence[str], columns: Sequence[str], bar: str) -> Draw:
    """Cells [rows][columns] by colour from 0 on; None stays empty. The names of columns stand upright above them."""

    def draw(axes: Axes) -> None:
        import numpy as np

        cells = np.array([[np.nan if value is None else value for value in row] for row in values], dtype=float)
        image = axes.imshow(cells, vmin=0, aspect="auto", interpolation="nearest")
        axes.set_yticks(range(len(rows)), [shortened(row) for row in rows], fontsize=8)
        axes.set_xticks(range(len(columns)), [shortened(column) for column in columns], fontsize=8, rotation=90)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.figure.colorbar(image, ax=axes, label=bar, fraction=0.05, pad=0.01)

    return draw


def shortened(name: str) -> str:
    """A name for an axis or a legend; control characters, which SVG cannot hold, become spaces."""
    plain = "".join(character if character.isprintable() else " " for character in name)
    return plain if len(plain) <= LONGEST_LABEL else f"{plain[: LONGEST_LABEL - 1]}…"


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, linewidth=0.6)


def _legend(axes: Axes, entries: int) -> None:
    if entries > 6:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        axes.legend(fontsize=8)
