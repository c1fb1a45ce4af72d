"""`harness leaderboard`: the stored runs, ranked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli.options import ResultsOption
from harness.cli.tables import print_table

if TYPE_CHECKING:
    import pandas as pd

PERCENTAGES = ("precision", "recall", "f1", "ign_f1", "intra_f1", "inter_f1", "coverage")
HEADINGS = {
    "precision": "P",
    "recall": "R",
    "f1": "F1",
    "ign_f1": "Ign F1",
    "intra_f1": "intra",
    "inter_f1": "inter",
    "coverage": "cov.",
    "cost_usd": "cost $",
}


def leaderboard(
    dataset: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    format: Annotated[Literal["table", "csv", "markdown", "json"], typer.Option(help="How to print it.")] = "table",
    results_dir: ResultsOption = Path("results"),
) -> None:
    """Rank the complete runs of each dataset split by F1; partial and failed runs stand apart.

    \b
    Examples:
      harness leaderboard --dataset redocred --split dev
      harness leaderboard --format markdown > leaderboard.md
    """
    from harness.errors import InputError
    from harness.leaderboard import leaderboards

    boards = leaderboards(results_dir, dataset, split)
    if not boards and format != "json":
        raise InputError(f"no runs under {results_dir / 'runs'} match: `harness run` makes one")
    if format == "json":
        typer.echo(json.dumps([board.as_json() for board in boards], indent=2))
        return
    if format == "csv":
        import pandas as pd

        typer.echo(pd.concat([board.as_table() for board in boards]).to_csv(index=False), nl=False)
        return
    for board in boards:
        title = " ".join(part for part in (board.dataset, board.split) if part)
        for heading, table in ((title, board.ranked), (f"{title}: not ranked", board.unranked)):
            if len(table):
                shown = _shown(table)
                print_table(heading, shown) if format == "table" else typer.echo(_markdown(heading, shown))


def _shown(table: pd.DataFrame) -> list[list[str]]:
    """Heading and rows as text: fractions in percent, columns without any value left out."""
    import pandas as pd

    columns = [name for name in table.columns if table[name].notna().any()]
    rows = [[HEADINGS.get(name, name) for name in columns]]
    for _, row in table.iterrows():
        rows.append([_cell(name, None if pd.isna(row[name]) else row[name]) for name in columns])
    return rows


def _cell(column: str, value: object) -> str:
    if value is None:
        return "n/a"
    if not isinstance(value, int | float):
        return str(value)
    if column in PERCENTAGES:
        return f"{100 * value:.2f}"
    return f"{value:.4f}" if column == "cost_usd" else f"{value:,.0f}"


def _markdown(heading: str, rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([f"## {heading}", "", line(rows[0]), line(["---"] * len(rows[0])), *map(line, rows[1:]), ""])
