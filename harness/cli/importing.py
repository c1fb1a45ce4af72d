"""`harness import`: another system's predictions or scores as a stored run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import strict_json
from harness.cli.options import DataDirOption, JsonOption, ResultsOption


def import_(
    path: Annotated[Path, typer.Argument(help="Predictions (.json, .jsonl, .gz, .zip), or pair scores (.npz).")],
    model: Annotated[str, typer.Option(help="The name of the system, for the leaderboard.")],
    dataset: Annotated[str, typer.Option(help="redocred, fewrel, sample, or a DocRED-format file.")] = "redocred",
    split: Annotated[str | None, typer.Option(help="train, dev or test.")] = None,
    data_dir: DataDirOption = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Store the output of another system as a run: it is scored, and ranked with the runner `imported`.

    Pair scores (numpy arrays; docs/hybrids.md has the format) can then propose candidate pairs or be refined.

    \b
    Examples:
      harness import predictions.json --model kd-docre --dataset redocred --split dev
      harness import logits.npz --model my-encoder --dataset redocred --split dev
      harness run --model smollm2-135m --prompt choice --refine dev-my_encoder-imported
    """
    from harness.cli.summary import print_result
    from harness.runs.config import RunConfig
    from harness.runs.sources.imported import import_run

    config = RunConfig(model=model, dataset=dataset, split=split, data_dir=data_dir, results=results_dir)
    result = import_run(path, config)
    if as_json:
        typer.echo(strict_json.dumps(result.as_json()))
    else:
        print_result(result)
