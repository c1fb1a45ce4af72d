"""`harness track` and `harness card`: a stored run for an experiment tracker, and for a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import ResultsOption, TrackerName


def track(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder, id, or part of the id of a complete run.")],
    to: Annotated[TrackerName, typer.Option(help="Which tracker; it is configured by its own variables.")],
    results_dir: ResultsOption = Path("results"),
) -> None:
    """Hand a stored run to MLflow or Weights & Biases: its question, scores, usage, and two of its files.

    No configuration, path or address of yours goes along. The same run tracked again updates what is there.

    \b
    Examples:
      MLFLOW_TRACKING_URI=http://tracker:5000 harness track redocred-dev-gpt --to mlflow
      WANDB_MODE=offline harness track redocred-dev-gpt --to wandb
    """
    from harness.runs.results import RunResult
    from harness.store import find_run
    from harness.tracking import track_run

    typer.echo(track_run(RunResult.load(find_run(results_dir, run)), to))


def card(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder, id, or part of the id of a complete run.")],
    results_dir: ResultsOption = Path("results"),
) -> None:
    """Print the `model-index` block of a model card with the scores of a stored run.

    \b
    Example:
      harness card redocred-dev-seed_0 > README.md
    """
    from harness.runs.results import RunResult
    from harness.store import find_run
    from harness.tracking.model_card import model_card_block

    typer.echo(model_card_block(RunResult.load(find_run(results_dir, run))), nl=False)
