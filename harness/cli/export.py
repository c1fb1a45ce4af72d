"""`harness export`: a stored run's predictions as a file for an evaluation server."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli.options import JsonOption, ResultsOption


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder, id, or part of the id of a complete run.")],
    format: Annotated[
        Literal["codalab"], typer.Option(help="codalab: DocRED's competition, result.json or a zip that holds it.")
    ] = "codalab",
    out: Annotated[
        Path | None, typer.Option(help="The file, FILE.zip or FILE.json (default: a zip named after the run).")
    ] = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Write the predictions of a run for a server that has the labels, such as that of DocRED's test split.

    The same run gives the same bytes. Runs of LLMs and encoders and imported ones can be exported alike.

    \b
    Examples:
      harness export test-qwen2.5_72b-tagged --format codalab
      harness export test-qwen2.5_72b-tagged --format codalab --out submission.zip
    """
    from harness.runs.export import export_run
    from harness.store import find_run

    done = export_run(find_run(results_dir, run), format, out)
    if as_json:
        typer.echo(json.dumps({**asdict(done), "out": str(done.out)}))
    else:
        typer.echo(f"{done.predictions:,} triplets of {done.documents:,} documents: {done.out}")
    if done.documents < done.in_split:
        typer.echo(f"partial: {done.in_split - done.documents:,} documents of the split were not asked about", err=True)
