"""`harness combine`: several stored runs vote on the triplets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import strict_json
from harness.cli.options import JsonOption, ResultsOption, RunDataDirOption, RunDatasetOption


def combine(
    runs: Annotated[list[str], typer.Argument(help="Two or more runs (folder, id, or part of its id).")],
    least_share: Annotated[
        float,
        typer.Option(help="Least share of runs that predict a triplet; of two runs, 0.5 is either and 1 is both."),
    ] = 0.5,
    name: Annotated[str, typer.Option(help="The name of the outcome, for the leaderboard.")] = "votes",
    dataset: RunDatasetOption = None,
    data_dir: RunDataDirOption = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Store the triplets that enough of several runs over the same documents predict, as a run of its own.

    Runs can be repetitions, other prompts or other models. Each has one vote; a triplet's share of votes is its score.
    The outcome names its runs, and is ranked only if all of them are.

    \b
    Examples:
      harness combine dev-qwen-tagged dev-qwen-grouped dev-qwen-pairwise
      harness combine dev-qwen-tagged-a1 dev-qwen-tagged-b2 --least-share 1 --name both
    """
    from harness.analyses.combining import combine_runs
    from harness.cli.summary import print_result
    from harness.runs.stored_data import DataPlace
    from harness.store import find_run

    folders = [find_run(results_dir, run) for run in runs]
    result = combine_runs(folders, name, results_dir, least_share, DataPlace(dataset, data_dir))
    if as_json:
        typer.echo(strict_json.dumps(result.as_json()))
    else:
        print_result(result)
