"""`harness merge`: the runs of parts become the run over all documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import strict_json
from harness.cli.options import JsonOption, ResultsOption, RunDataDirOption, RunDatasetOption


def merge(
    runs: Annotated[
        list[str],
        typer.Argument(help="Runs of parts (folder, id, or part of its id); one alone stands for all beside it."),
    ],
    dataset: RunDatasetOption = None,
    data_dir: RunDataDirOption = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Make one run of the runs that `harness run --part` made, equal to the undivided one but for times and machines.

    The parts must answer the same question, and each document must be in exactly one. Their answers go into the
    journal of the results folder: the undivided command, and `harness retry`, go on from there.

    \b
    Examples:
      harness merge results/runs/redocred-dev-qwen-tagged-closed-part_*
      harness merge /mnt/node1/results/runs/* /mnt/node2/results/runs/*
      harness merge redocred-dev-qwen-tagged-closed-part_1_8
    """
    from harness.cli.summary import print_result
    from harness.runs.merging import merge_parts, parts_beside
    from harness.runs.stored_data import DataPlace
    from harness.store import find_run

    folders = [find_run(results_dir, run) for run in runs]
    if len(folders) == 1:
        folders = parts_beside(folders[0])
    result = merge_parts(folders, results_dir, DataPlace(dataset, data_dir))
    if as_json:
        typer.echo(strict_json.dumps(result.as_json()))
    else:
        print_result(result)
