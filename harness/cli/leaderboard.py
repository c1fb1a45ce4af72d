"""`harness leaderboard`: the stored runs, ranked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli.options import ResultsOption
from harness.cli.tables import print_table
from harness.runs.failures import MOST_FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from harness.analyses.leaderboards import Leaderboard
    from harness.analyses.leaderboards.formats import Format


def leaderboard(
    dataset: Annotated[str | None, typer.Option(help="Only this dataset; like all filters a pattern such as red*.")] = (
        None
    ),
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    model: Annotated[str | None, typer.Option(help="Only these models.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Only these prompts, by name or by label with options.")] = None,
    runner: Annotated[str | None, typer.Option(help="Only these runners.")] = None,
    constraint: Annotated[str | None, typer.Option(help="Only this level: typed, closed, format or none.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Which columns, in this order; `interval` and `p` are short names."),
    ] = None,
    reported: Annotated[bool, typer.Option("--reported", help="Show what papers report beside, without a rank.")] = (
        False
    ),
    across: Annotated[
        bool, typer.Option("--across", help="One table over all datasets: a row a system, a column a split, F1.")
    ] = False,
    system: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DATASET:MODEL,...",
            help="With --across: models trained for one corpus each as one row (patterns); repeatable.",
        ),
    ] = None,
    unseen: Annotated[
        bool,
        typer.Option(
            "--unseen", help="Macro scores on unseen relations (m5-seed-0) and few-shot episodes, papers' rows beside."
        ),
    ] = False,
    each_run: Annotated[
        bool, typer.Option("--each-run", help="A row a run, also for runs that differ in --repeat or --seed only.")
    ] = False,
    max_failed: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of documents without a full answer up to which a run is ranked."),
    ] = MOST_FAILED,
    resamples: Annotated[int, typer.Option(min=100, help="Of the documents, for intervals and tests.")] = 1000,
    format: Annotated[
        Literal["table", "markdown", "csv", "parquet", "json", "latex"] | None,
        typer.Option(help="Default: by the suffix of --out, else table."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file (.md, .csv, .parquet, .json, .tex).")] = None,
    results_dir: ResultsOption = Path("results"),
) -> None:
    """Rank the complete runs of each dataset split by F1; partial and failed runs stand apart, as do runs without gold
    labels or against labels that no human wrote.

    The interval holds F1 in 95% of the resamples of the documents. p-values are those of the difference from the row
    above, by paired bootstrap and by approximate randomisation; runs that these do not both tell from the first of
    their group at 0.05 share its rank. A terminal has no room for alignment, runner and run id: name them with
    --columns, or write a file.

    \b
    Examples:
      harness leaderboard --dataset redocred --split dev
      harness leaderboard --model 'qwen*' --columns rank,prompt,f1,interval,p
      harness leaderboard --dataset redocred --reported --out leaderboard.md
      harness leaderboard --across --split test
      harness leaderboard --across --split dev --system 'ATLOP=docred:atlop-docred/*,redocred:atlop-redocred/*'
      harness leaderboard --unseen --dataset 'fewrel*' --out unseen.csv
    """
    from harness.analyses.leaderboards import RunFilter, leaderboards
    from harness.analyses.leaderboards.columns import REPORTED_COLUMNS, TERMINAL_COLUMNS, chosen_columns
    from harness.analyses.leaderboards.formats import as_text, format_of, sections, write_file
    from harness.errors import InputError

    kind = format_of(out, format)
    for flag, is_given in (("--across", across), ("--unseen", unseen)):
        if is_given and (columns is not None or reported or (across and unseen)):
            raise InputError(
                f"{flag} has columns and rows of its own: leave out --columns, --reported and other tables"
            )
    if system and not across:
        raise InputError("--system names rows of the table over all datasets: give --across, too")
    names = chosen_columns(columns) if columns is not None else None
    chosen = RunFilter(dataset, split, model, prompt, runner, constraint)
    if unseen:
        from harness.analyses.leaderboards import unseen as table_of

        table = table_of.unseen(results_dir, chosen, max_failed)
        _print_own(table, table_of.TITLE, table_of.shown_unseen(table), out, kind)
        return
    boards = leaderboards(
        *(results_dir, chosen), reported=reported, max_failed=max_failed, resamples=resamples, each_run=each_run
    )
    if not boards and kind != "json":
        raise InputError(f"no runs under {results_dir / 'runs'} match: `harness run` makes one")
    if across:
        _print_across(boards, system or (), out, kind)
    elif out is not None:
        write_file(boards, out, kind, names, reported=reported)
    elif kind == "table":
        for heading, rows in sections(boards, names or [*TERMINAL_COLUMNS, *REPORTED_COLUMNS], reported=reported):
            print_table(heading, rows)
    else:
        typer.echo(as_text(boards, kind, names, reported=reported), nl=False)


def _print_across(boards: Sequence[Leaderboard], systems: Sequence[str], out: Path | None, kind: Format) -> None:
    from harness.analyses.leaderboards.across import across, named_system, shared_documents, shown_across
    from harness.analyses.leaderboards.formats import ACROSS

    table = across(boards, [named_system(one) for one in systems])
    _print_own(table, ACROSS, shown_across(table), out, kind)
    for note in shared_documents(boards):
        typer.echo(f"note: {note}", err=True)


def _print_own(table: pd.DataFrame, title: str, shown: list[list[str]], out: Path | None, kind: Format) -> None:
    """A table with columns of its own; ``shown`` is what people read of it."""
    from harness.analyses.leaderboards.formats import table_as_text, write_table

    if out is not None:
        write_table(table, title, shown, out, kind)
    elif kind == "table":
        print_table(title, shown)
    else:
        typer.echo(table_as_text(table, title, shown, kind), nl=False)
