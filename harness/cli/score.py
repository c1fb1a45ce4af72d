"""`harness score`: score a stored run again, or any file in DocRED's submission format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import JsonOption, ResultsOption


def score(
    path: Annotated[str, typer.Argument(help="A run (folder, id, part of its id), or a predictions file.")],
    gold: Annotated[Path | None, typer.Option(help="DocRED-format file with the labels.")] = None,
    train: Annotated[Path | None, typer.Option(help="DocRED-format training file, for Ign F1.")] = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Score a stored run again from its raw answers, or any predictions file; no model is needed.

    \b
    Examples:
      harness score redocred-dev-smollm2
      harness score predictions.json --gold dev_revised.json --train train_revised.json --json
    """
    import asyncio

    from harness.cli.summary import print_result, print_scores
    from harness.errors import InputError
    from harness.experiment.rescore import rescore_run, score_submission
    from harness.store import find_run

    if path.endswith(".json") and not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    if Path(path).is_file():
        if gold is None:
            raise InputError(f"{path} is a predictions file: give the labels with --gold FILE")
        metrics = score_submission(Path(path), gold, train)
        if as_json:
            outcome = {"metrics": metrics, "coverage": None, "run_id": None, "run_dir": None, "usage": None}
            typer.echo(json.dumps(outcome))
        else:
            print_scores(metrics)
        return
    result = asyncio.run(rescore_run(find_run(results_dir, path), gold, train))
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        print_result(result)
