"""`harness ablate`: a grid of prompt and run options, and what each of them does to F1."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from harness import strict_json
from harness.cli.options import BatchOption, ClusterOption, DisplayOption, FailOnErrorOption, JsonOption, WorkersOption
from harness.cli.run_options import with_run_options
from harness.runs.config import OPTIONS, RunConfig
from harness.runs.failures import MOST_FAILED

if TYPE_CHECKING:
    from harness.analyses.ablation import Ablation
    from harness.analyses.grid import Cell
    from harness.analyses.search import Search

FIRST_DOCUMENTS = 4

ABLATE_EXAMPLES = f"""\
Run a grid of options and print what each does to F1, paired over the documents.

Takes every option of `harness run`, and an axis for everything that varies: an option of the prompt, or
{", ".join(name for name, option in OPTIONS.items() if option.axis)}.
The first value of an axis is what its others are compared with.

\b
Examples:
  harness ablate --model smollm2-135m --prompt tagged --dataset sample --axis refs=id,name
  harness ablate --model qwen2.5-72b --prompt tagged --axis descriptions=none,short \\
      --axis constrain=closed,format,none --axis seed=0,1,2

\b
The grid shares one journal and one started model; the same command typed again resumes where it stopped.
With --cluster auto --workers 2, each run of the grid is a job on Ray.

With --search, the grid is searched by successive halving: all of it is run on the first --first-documents, the better
half on twice as many, and so on until one is left, or --max-tokens-total is used up. Splits that are reported are
refused. What was chosen is recorded with the documents that chose it: runs over these with it are not ranked.

\b
  harness ablate --model qwen2.5-coder-1.5b-gguf --split dev-choose --search --max-tokens-total 2000000 \\
      --axis prompt=tagged,grouped --axis refs=id,name --axis reasoning=none,brief
"""


@with_run_options
def ablate(
    config: RunConfig,
    axis: Annotated[list[str], typer.Option(metavar="NAME=A,B", help="What to vary; repeatable.")],
    search: Annotated[
        bool, typer.Option("--search", help="Halve the grid in rounds instead of running all of it.")
    ] = False,
    first_documents: Annotated[
        int, typer.Option(min=1, help="With --search: documents of the first round; each later one has twice as many.")
    ] = FIRST_DOCUMENTS,
    batch: BatchOption = False,
    cluster: ClusterOption = None,
    workers: WorkersOption = 1,
    fail_on_error: FailOnErrorOption = MOST_FAILED,
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    from harness.analyses.ablation import ablation_on_ray, run_ablation
    from harness.analyses.grid import cells, configuration, read_axes
    from harness.analyses.search import Search, run_search
    from harness.cli.display import QuietDisplay, chosen_display, make_display
    from harness.cli.run import exit_as_failed, score_first
    from harness.cli.transfers import counting_progress
    from harness.errors import InputError
    from harness.runs.execute import Observer

    kind = chosen_display(display, as_json)
    shown: list[QuietDisplay] = []

    def observe(number: int, count: int, cell: Cell, round_number: int = 0) -> Observer:
        for earlier in shown:
            earlier.close()
        if kind != "none":
            of_round = f"round {round_number}, " if round_number else ""
            print(f"{of_round}run {number} of {count}: {_named(cell)}", file=sys.stderr, flush=True)
        shown.append(make_display(kind))
        return shown[-1]

    axes = read_axes(axis, config)
    if not search and first_documents != FIRST_DOCUMENTS:
        raise InputError("--first-documents is of a search: give --search, too")
    if search and cluster:
        raise InputError("--search goes round by round on one model: leave out --cluster")
    if batch and (search or cluster):
        raise InputError("--batch does not go with --search or --cluster: leave out one of them")
    for cell in cells(axes):
        score_first(configuration(config, cell), display, as_json)
    finished: Ablation | Search
    try:
        if search:
            finished = asyncio.run(run_search(config, axes, observe, first_documents))
        elif cluster:
            with counting_progress("documents", None, kind) as advance:
                finished = ablation_on_ray(config, axes, cluster, workers, advance)
        else:
            finished = asyncio.run(run_ablation(config, axes, observe, batch))
    finally:
        for one in shown:
            one.close()
    folder = finished.store(config.results)
    if as_json:
        typer.echo(strict_json.dumps({**finished.as_json(), "folder": str(folder)}))
    else:
        _print_search(finished) if isinstance(finished, Search) else _print(finished)
        typer.echo(f"stored in {folder}")
    for result in [finished.chosen.result] if isinstance(finished, Search) else [one for _, one in finished.runs]:
        if result.failed_too_often(fail_on_error):
            exit_as_failed(result.manifest, result.failures)


def _print(ablation: Ablation) -> None:
    from harness.cli.summary import failure_lines
    from harness.cli.tables import print_table

    heading = [
        *(axis.name for axis in ablation.axes),
        "P",
        "R",
        "F1",
        "95% interval",
        "cov.",
        "requests",
        "tokens",
        "s",
    ]
    rows = [
        [
            *(row[axis.name] for axis in ablation.axes),
            *(f"{100 * row[name]:.2f}" for name in ("precision", "recall", "f1")),
            f"{100 * row['f1_low']:.2f} to {100 * row['f1_high']:.2f}",
            f"{100 * row['coverage']:.1f}",
            *(f"{row[name]:,.0f}" for name in ("requests", "tokens", "seconds")),
        ]
        for row in ablation.runs_table().to_dict("records")
    ]
    print_table(f"{ablation.model}: runs", [heading, *rows])
    effects = [
        [
            row["axis"],
            f"{row['baseline']} -> {row['value']}",
            f"{100 * row['f1_difference']:+.2f}",
            f"{100 * row['low']:+.2f} to {100 * row['high']:+.2f}",
            f"{row['p_value']:.3f}",
            str(row["cells"]),
        ]
        for row in ablation.effects_table().to_dict("records")
    ]
    if effects:
        print_table(
            "differences of F1, paired over documents",
            [["axis", "change", "F1", "95% interval", "p", "pairs of runs"], *effects],
        )
    for cell, result in ablation.runs:
        for name, value in failure_lines(result.failures):
            typer.echo(f"{_named(cell)}: {name}: {value}")
    if ablation.silver:
        typer.echo(ablation.silver)
    for cell, reason in ablation.impossible:
        typer.echo(f"not run: {_named(cell)}: {reason}")


def _print_search(search: Search) -> None:
    from harness.cli.summary import failure_lines
    from harness.cli.tables import print_table
    from harness.runs.chosen_settings import typed

    heading = ["round", "documents", *(axis.name for axis in search.axes), "P", "R", "F1", "tokens", "goes on"]
    rows = [
        [
            str(row["round"]),
            str(row["documents"]),
            *(row[axis.name] for axis in search.axes),
            *(f"{100 * row[name]:.2f}" for name in ("precision", "recall", "f1")),
            f"{row['tokens']:,}",
            "yes" if row["kept"] else "",
        ]
        for row in search.table().to_dict("records")
    ]
    print_table(f"{search.model}: what was tried", [heading, *rows])
    for one in search.tried:
        for name, value in failure_lines(one.result.failures):
            typer.echo(f"round {one.round}, {_named(one.cell)}: {name}: {value}")
    for cell, reason in search.impossible:
        typer.echo(f"not run: {_named(cell)}: {reason}")
    chosen = search.chosen
    typer.echo(f"chosen on {chosen.documents} documents, as {search.ending}: {typed(chosen.cell)}")
    typer.echo(f"paid {search.paid:,} tokens; measure it on other documents, as these are not ranked with it")


def _named(cell: Cell) -> str:
    return " ".join(f"{name}={value}" for name, value in cell.items())
