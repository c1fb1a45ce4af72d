"""`harness report`: stored runs as a folder of static pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DisplayOption, JsonOption, ResultsOption, RunDataDirOption

if TYPE_CHECKING:
    from harness.report.build import WrittenReport


def report(
    out: Annotated[Path | None, typer.Option(help="Folder of the report (default: report in --results-dir).")] = None,
    runs: Annotated[
        list[str] | None, typer.Option(metavar="PART", help="Only runs with this in their id; repeatable.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    reported: Annotated[bool, typer.Option("--reported", help="Show what papers report beside, without a rank.")] = (
        False
    ),
    data_dir: RunDataDirOption = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show the report in the browser.")] = False,
    serve: Annotated[bool, typer.Option(help="Serve it on 127.0.0.1 until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --serve; 0 takes a free port.")] = 0,
    display: DisplayOption = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Write the stored runs as a folder of static HTML: leaderboard, figures, and a page that explains every error.

    The folder needs no server and no network: open its index.html, copy it, or put it on any web space. It holds the
    documents and the exact prompts and answers.

    \b
    Examples:
      harness report
      harness report --dataset redocred --split dev --runs tagged --runs rhf --out report --open
      harness report --dataset redocred --reported
      harness report --serve
    """
    from harness.cli.display import default_display
    from harness.cli.transfers import counting_progress
    from harness.errors import InputError
    from harness.report.build import Report, ReportOptions

    if as_json and serve:
        raise InputError("--json prints one object and ends: leave out --serve")
    options = ReportOptions(results_dir, out or results_dir / "report", runs or (), dataset, split, data_dir, reported)
    found = Report.find(options)
    for problem in found.problems:
        typer.echo(f"no documents of {problem}", err=True)
    kind = display or ("none" if as_json else default_display())
    with counting_progress("documents", found.document_count, kind) as advance:
        written = found.write(advance)
    for damage in written.damaged:
        typer.echo(f"no documents of a run: {damage}", err=True)
    if as_json:
        typer.echo(json.dumps(_as_json(written, [*found.problems, *written.damaged])))
    else:
        megabytes = written.size / 1e6
        typer.echo(f"{written.runs} runs, {written.documents} documents, {megabytes:.1f} MB: {written.index}")
    if serve:
        _serve(written.index.parent, port, open_page)
    elif open_page:
        typer.launch(written.index.resolve().as_uri())


def _as_json(written: WrittenReport, problems: list[str]) -> dict[str, object]:
    return {
        "index": str(written.index),
        "runs": written.runs,
        "documents": written.documents,
        "bytes": written.size,
        "problems": problems,
    }


def _serve(folder: Path, port: int, open_page: bool) -> None:
    from harness.loopback import LOOPBACK
    from harness.report.serve import report_server

    with report_server(folder, port) as server:
        address = f"http://{LOOPBACK}:{server.server_port}/"
        typer.echo(f"serving {address} (Ctrl-C ends it)")
        if open_page:
            typer.launch(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("ended", err=True)
