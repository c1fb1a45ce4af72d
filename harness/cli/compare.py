"""`harness compare`: two stored runs, paired over their documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness.cli.options import JsonOption, ResultsOption, RunDataDirOption, RunDatasetOption

if TYPE_CHECKING:
    import pandas as pd

    from harness.analyses.comparison import Comparison


def compare(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="Folder, id, or part of the id of a run.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="The run that is compared with it.")],
    correction: Annotated[
        Literal["holm", "benjamini-hochberg"], typer.Option(help="For the number of relations, distances and types.")
    ] = "holm",
    top: Annotated[int, typer.Option(min=1, help="Most rows of a table on the terminal.")] = 10,
    resamples: Annotated[int, typer.Option(min=100, help="Of the documents, for intervals and tests.")] = 10_000,
    out: Annotated[Path | None, typer.Option(help="Folder for all tables as CSV, and comparison.json.")] = None,
    dataset: RunDatasetOption = None,
    data_dir: RunDataDirOption = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """How run B differs from run A on the documents that both were asked about, and what only one of them found.

    Differences are B's minus A's, with the interval of the paired bootstrap over documents. The corrected p is that of
    the larger of the two tests, paired bootstrap and approximate randomisation, for the number of rows of its table.

    \b
    Examples:
      harness compare smollm2-tagged smollm2-rhf
      harness compare RUN_A RUN_B --out comparison
    """
    from harness.analyses.comparison import compare_runs
    from harness.errors import InputError
    from harness.runs.stored_data import DataPlace
    from harness.store import MANIFEST, find_run

    if out is not None and (out / MANIFEST).exists():
        raise InputError(f"--out {out}: that is a stored run; name another folder")
    first, second = (find_run(results_dir, run) for run in (run_a, run_b))
    place = DataPlace(dataset, data_dir)
    comparison = compare_runs(first, second, correction=correction, resamples=resamples, place=place)
    if out is not None:
        comparison.store(out)
    if as_json:
        typer.echo(json.dumps(comparison.as_json()))
        return
    _print(comparison, top)
    if out is not None:
        typer.echo(f"stored in {out}")


def _print(comparison: Comparison, top: int) -> None:
    typer.echo(f"A  {comparison.a}\nB  {comparison.b}")
    asked = " and ".join(f"{count:,}" for count in comparison.documents_asked)
    title = " ".join(part for part in (comparison.dataset, comparison.split) if part)
    typer.echo(f"{title}: {comparison.documents_compared:,} documents in both (asked about {asked})\n")
    if comparison.silver:
        typer.echo(f"{comparison.silver}\n")
    for run, reason in comparison.not_ranked.items():
        typer.echo(f"{run.upper()} is not ranked: {reason}")
    if comparison.not_ranked:
        typer.echo("")
    _print_part("overall", comparison.overall, _OVERALL, top)
    for heading, table in (
        ("by distance", comparison.distances),
        ("by relation, most frequent first", comparison.relations),
        ("by entity types, most frequent first", comparison.types),
    ):
        _print_part(f"{heading} (p corrected: {comparison.correction})", table, _BY_PART, top)
    _print_part("documents with the most triplets that only one run found", comparison.documents, _DOCUMENTS, top)
    correct = comparison.triplets[comparison.triplets["correct"]]
    for run in ("a", "b"):
        found = correct[correct["predicted_by"] == run]
        heading = f"{len(found):,} gold triplets that only {run.upper()} found"
        _print_part(heading, found, _TRIPLETS, top)


def _print_part(heading: str, table: pd.DataFrame, columns: dict[str, str], top: int) -> None:
    from harness.cli.tables import print_table

    if table.empty:
        typer.echo(f"{heading}\n")
        return
    names = {name: title for name, title in columns.items() if name in table.columns}
    shown = table.head(top).astype(object).where(table.head(top).notna(), None)
    rows = [[_cell(name, row) for name in names] for row in shown.to_dict("records")]
    more = f", {top} of {len(table):,}" if len(table) > top else ""
    print_table(f"{heading}{more}", [list(names.values()), *rows])


_P_VALUES = {"p_bootstrap": "p boot.", "p_randomisation": "p rand."}
_OVERALL = {
    "measure": "",
    "a": "A",
    "b": "B",
    "difference": "B - A",
    "low": "95% interval",
    **_P_VALUES,
}
_FOUND = {
    "gold": "gold",
    "both": "both",
    "only_a": "only A",
    "only_b": "only B",
    "neither": "neither",
    "wrong_a": "wrong A",
    "wrong_b": "wrong B",
    "f1_a": "F1 A",
    "f1_b": "F1 B",
    "difference": "B - A",
}
_BY_PART = {"part": "", "name": "name", **_FOUND, "low": "95% interval", **_P_VALUES, "p_adjusted": "p corr."}
_DOCUMENTS = {"title": "document", **_FOUND}
_TRIPLETS = {
    "title": "document",
    "head": "head",
    "name": "relation",
    "tail": "tail",
    "distance": "distance",
    "types": "types",
}
_SIGNED = ("difference",)
_PERCENTAGES = ("a", "b", "f1_a", "f1_b")


def _cell(column: str, row: dict[Any, Any]) -> str:
    value = row[column]
    if value is None:
        return ""
    if column == "low":
        return f"{100 * value:+.2f} to {100 * row['high']:+.2f}"
    if column in _SIGNED:
        return f"{100 * value:+.2f}"
    if column in _PERCENTAGES:
        return f"{100 * value:.2f}"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
