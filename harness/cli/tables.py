"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PIPED_WIDTH = 250


def mean_and_deviation(values: pd.Series[float]) -> str:
    """``12.34 ± 0.56``: mean and sample deviation, without the latter where there is one value."""
    spread = f" ± {values.std():.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{spread}"


def print_table(heading: str, rows: list[list[str]]) -> None:
    """Print ``rows``, the first of which names the columns."""
    from rich import box
    from rich.table import Table

    from harness.cli.terminal import console
    from harness.visible import one_line

    heading, rows = one_line(heading), [[one_line(cell) for cell in row] for row in rows]
    table = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD)
    for name, *cells in zip(*rows, strict=True):
        sample = next(filter(None, cells), "")
        is_number = sample.replace(",", "").replace(".", "").isdecimal()
        # Numbers are never broken over lines; names may be.
        table.add_column(name, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    for row in rows[1:]:
        table.add_row(*row)
    screen = console()
    if not screen.is_terminal:
        # In a file or a pipe nobody wants lines broken at 80 columns.
        screen = console(width=PIPED_WIDTH)
    screen.print(table)
