"""`harness import`: another system's predictions or scores as a stored run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from harness import strict_json
from harness.cli.options import JsonOption
from harness.cli.run_options import fields_from, with_options_of
from harness.runs.config import OPTIONS, RunConfig
from harness.runs.run_option import IMPORTED

_IMPORTED = {**OPTIONS, "model": replace(OPTIONS["model"], text="The name of the system, for the leaderboard.")}


@with_options_of(fields_from(one for one in _IMPORTED.values() if IMPORTED in one.sources))
def import_(
    fields: dict[str, Any],
    path: Annotated[Path, typer.Argument(help="Predictions (.json, .jsonl, .gz, .zip), or pair scores (.npz).")],
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
    from harness.runs.sources.imported import import_run

    result = import_run(path, RunConfig(**fields))
    if as_json:
        typer.echo(strict_json.dumps(result.as_json()))
    else:
        print_result(result)
