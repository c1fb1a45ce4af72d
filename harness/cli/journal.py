"""`harness journal`: the files that hold the answers of models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import strict_json
from harness.cli.options import JsonOption, ResultsOption

app = typer.Typer(help="Merge journals, the files that hold the answers of models.", no_args_is_help=True)


@app.callback()
def _journal() -> None:
    """Merge journals, the files that hold the answers of models."""


@app.command("merge")
def merge(
    journals: Annotated[list[Path], typer.Argument(help="Journals, or folders of results or runs that hold one.")],
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Add the answers of other journals to that of the results folder; the first answer to a request stays.

    \b
    Examples:
      harness journal merge /mnt/node1/results /mnt/node2/results
      harness journal merge copied/journal.sqlite --results-dir results
    """
    from harness.engine.journal import JOURNAL_FILE, Journal

    added = {}
    with Journal(results_dir / JOURNAL_FILE) as journal:
        for path in journals:
            file = path / JOURNAL_FILE if path.is_dir() else path
            added[str(file)] = journal.take(file)
            if not as_json:
                typer.echo(f"{file}: {added[str(file)]:,} new answers")
    if as_json:
        typer.echo(strict_json.dumps({"journal": str(results_dir / JOURNAL_FILE), "added": added}))
