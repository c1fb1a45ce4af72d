"""`harness sweep theta|threshold`: F1 of a stored run against a threshold, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness import strict_json
from harness.cli.options import (
    AlignOption,
    AlignOverOption,
    JsonOption,
    ResultsOption,
    RunDataDirOption,
    RunDatasetOption,
)

if TYPE_CHECKING:
    from harness.analyses.sweep import AlignableDocument, AlignableRun, ThetaPoint
    from harness.analyses.thresholds import ThresholdPoint

app = typer.Typer(help="Score a stored run over a range of settings, without a model.", no_args_is_help=True)


@app.callback()
def _sweep() -> None:
    """Score a stored run over a range of settings, without a model."""


@app.command("theta")
def theta(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder, id, or part of the id of a run.")],
    align: AlignOption = None,
    align_over: AlignOverOption = None,
    start: Annotated[float, typer.Option("--from", help="The lowest theta.")] = 0.0,
    stop: Annotated[float, typer.Option("--to", help="The highest theta.")] = 1.0,
    step: Annotated[float, typer.Option(help="The distance from one theta to the next.")] = 0.05,
    choose_on: Annotated[
        float | None,
        typer.Option(metavar="FRACTION", help="Choose on this share of the documents, report on the rest."),
    ] = None,
    choose_documents: Annotated[
        int | None, typer.Option(metavar="N", help="Choose on so many documents, report on the rest.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Which documents are drawn to choose on.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write the points to FILE.csv, or draw FILE.png, .svg or .pdf.")
    ] = None,
    dataset: RunDatasetOption = None,
    data_dir: RunDataDirOption = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Align the relations of a stored run at every threshold and score each (LMRC, Figure 3).

    A theta must not be reported on the documents it was chosen on: choose it on one split and report another, or
    split the run's documents with --choose-on. The run stays as it is; which documents chose theta is recorded beside
    it, so that a run of these documents with this theta is not ranked.

    \b
    Examples:
      harness sweep theta vllm-tagged-format --align minilm
      harness sweep theta vllm-tagged-format --choose-on 0.2 --seed 1 --out theta.png
    """
    import asyncio

    from harness.analyses.sweep import best_point, has_best, read_alignable, split_documents, sweep_theta, theta_range
    from harness.cli.figures import check_output
    from harness.cli.sweep_files import TABLE, write_points
    from harness.datasets.content import content_hash
    from harness.errors import InputError
    from harness.runs.chosen_settings import THETA, record_choice
    from harness.runs.stored_data import DataPlace
    from harness.store import find_run

    thetas = theta_range(start, stop, step)
    if choose_on is not None and choose_documents is not None:
        raise InputError("--choose-on and --choose-documents say the same: give one of them")
    if out:
        check_output(out, [TABLE])
    folder = find_run(results_dir, run)
    read = asyncio.run(read_alignable(folder, align, align_over, DataPlace(dataset, data_dir)))
    chosen_on: Sequence[AlignableDocument] = read.documents
    rest: Sequence[AlignableDocument] = ()
    if choose_on is not None or choose_documents is not None:
        count = choose_documents if choose_on is None else round(choose_on * len(read.documents))
        chosen_on, rest = split_documents(read.documents, count or 0, seed)
    points = sweep_theta(chosen_on, thetas)
    best = best_point(points)
    reported = sweep_theta(rest, [best.theta])[0] if rest else None
    if out:
        write_points(out, points, f"{read.run_id}, {len(chosen_on)} documents, {read.model}", "theta")
    if as_json:
        typer.echo(strict_json.dumps(_as_json(read, chosen_on, seed, points, best, reported)))
    else:
        _print(read, chosen_on, seed, points, best, reported)
    if has_best(points):
        record_choice(folder, THETA, best.theta, {content_hash(one.document) for one in chosen_on})


@app.command("threshold")
def threshold(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder, id, or part of the id of a run.")],
    report: Annotated[
        str | None, typer.Option(metavar="RUN", help="A run of other documents to report the chosen threshold on.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the points to FILE.csv, or draw FILE.png, .svg or .pdf.")
    ] = None,
    dataset: RunDatasetOption = None,
    data_dir: RunDataDirOption = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Score a stored run at every threshold of its triplets' scores: its precision-recall curve.

    A threshold must not be reported on the documents it was chosen on: choose it on one split and report another. The
    runs stay as they are. Where an option runs at a threshold (-P least=N; with -P scores=tokens -P least_score=N;
    with --samples --vote-share), the best one is in whole hundredths, as it is typed, and told with it. Which
    documents chose it is recorded beside the run, so that a run of these documents at this threshold is not ranked.

    \b
    Examples:
      harness sweep threshold dev_choose-qwen2.5_1.5b_gguf-hrt
      harness sweep threshold 3f9a01bc --report 77d0c2ea --out curve.svg
    """
    from harness.analyses.thresholds import at, best_of, curve, has_best, read_scored, shown_points
    from harness.cli.figures import check_output
    from harness.cli.sweep_files import TABLE, write_points
    from harness.errors import InputError
    from harness.runs.chosen_settings import THRESHOLD, VOTE_SHARE, record_choice
    from harness.runs.stored_data import DataPlace
    from harness.store import find_run

    if out:
        check_output(out, [TABLE])
    folder, place = find_run(results_dir, run), DataPlace(dataset, data_dir)
    read = read_scored(folder, place)
    points = curve(read.documents)
    best = best_of(points, in_hundredths=bool(read.option))
    other = read_scored(find_run(results_dir, report), place) if report else None
    if other and other.system != read.system:
        systems = (" with ".join(filter(None, one.system)) for one in (other, read))
        raise InputError(
            f"--report {other.run_id}: is of {next(systems)}, and the threshold is chosen for {next(systems)}, whose "
            "scores are others; name a run of the same"
        )
    seen = {document.content for document in read.documents}
    unseen = [document for document in other.documents if document.content not in seen] if other else []
    if other and not unseen:
        raise InputError(f"--report {other.run_id}: all of its documents chose the threshold; name a run of others")
    reported = at(unseen, best.threshold) if unseen else None
    shown_rows = shown_points(points, best if has_best(points) else None)
    if out:
        write_points(out, points, f"{read.run_id}, {len(read.documents)} documents", "threshold")
    if as_json:
        content = {
            "run_id": read.run_id,
            "dataset": read.dataset,
            "split": read.split,
            "documents": len(read.documents),
            "without_score": read.without_score,
            "points": [point.as_json() for point in shown_rows],
            "chosen": {**best.as_json(), "option": read.typed(best.threshold) or None},
            "reported": reported and other and {**reported.as_json(), "run_id": other.run_id, "documents": len(unseen)},
        }
        typer.echo(strict_json.dumps(content))
    else:
        typer.echo(f"run      {read.run_id}")
        typer.echo(
            f"split    {read.dataset} {read.split}, {len(read.documents)} of {read.documents_in_split} documents"
        )
        if read.without_score:
            typer.echo(f"certain  {read.without_score:,} triplets without a score, which no threshold leaves out")
        _print_curve(shown_rows)
        if not has_best(points):
            typer.echo(f"F1 is {_percent(best.scores.f1)} at every threshold: there is nothing to choose")
            return
        option = read.typed(best.threshold)
        shown = f"{best.threshold:.2f} ({option})" if option else f"{best.threshold:.3g}"
        typer.echo(f"threshold {shown} is best on these documents (F1 {_percent(best.scores.f1)})")
        if reported and other:
            scores = reported.scores
            typer.echo(
                f"on {len(unseen)} other documents of {other.run_id}: precision {_percent(scores.precision)}, recall "
                f"{_percent(scores.recall)}, F1 {_percent(scores.f1)}"
            )
        else:
            typer.echo("report it on others, with --report RUN or another split")
    if has_best(points):
        record_choice(folder, VOTE_SHARE if read.option == VOTE_SHARE else THRESHOLD, best.threshold, seen)


def _print_curve(points: Sequence[ThresholdPoint]) -> None:
    from rich import box
    from rich.table import Table

    from harness.cli.terminal import console

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("threshold", "predicted", "P", "R", "F1"):
        table.add_column(name, justify="right", no_wrap=True)
    for point in points:
        scores = point.scores
        shown = map(_percent, (scores.precision, scores.recall, scores.f1))
        table.add_row(f"{point.threshold:.3g}", f"{scores.predicted:,}", *shown)
    console().print(table)


def _as_json(
    read: AlignableRun,
    chosen_on: Sequence[AlignableDocument],
    seed: int,
    points: Sequence[ThetaPoint],
    best: ThetaPoint,
    reported: ThetaPoint | None,
) -> dict[str, Any]:
    """``reported`` is None where theta was chosen on all documents, so that there are none to report it on."""
    from harness.analyses.sweep import examples_at

    return {
        "run_id": read.run_id,
        "dataset": read.dataset,
        "split": read.split,
        "documents": len(read.documents),
        "documents_in_split": read.documents_in_split,
        "align": read.model,
        "align_over": read.over,
        "silver": read.silver or None,
        "points": [point.as_json() for point in points],
        "chosen": {
            **best.as_json(),
            "seed": None if reported is None else seed,
            "documents": len(chosen_on),
            "titles": None if reported is None else [one.document.title for one in chosen_on],
        },
        "reported": reported and {**reported.as_json(), "documents": len(read.documents) - len(chosen_on)},
        "examples": examples_at(chosen_on, best.theta).as_json(),
    }


def _print(
    read: AlignableRun,
    chosen_on: Sequence[AlignableDocument],
    seed: int,
    points: Sequence[ThetaPoint],
    best: ThetaPoint,
    reported: ThetaPoint | None,
) -> None:
    from harness.analyses.sweep import examples_at, has_best
    from harness.cli.summary import example_lines

    texts = [decision.text for document in read.documents for decision in document.decisions]
    split = " ".join(part for part in (read.dataset, read.split) if part)
    typer.echo(f"run      {read.run_id}")
    typer.echo(f"split    {split}, {len(read.documents)} of {read.documents_in_split} documents")
    if read.silver:
        typer.echo(f"labels   {read.silver}")
    typer.echo(
        f"aligned  by {read.model} over {read.over}: {len(texts):,} triplets with a relation outside the schema, "
        f"{len(set(texts)):,} of them distinct\n"
    )
    _print_table(points)
    for name, value in example_lines(examples_at(chosen_on, best.theta).by_kind()):
        typer.echo(f"{name} at {best.theta:g}: {value}")
    if not has_best(points):
        typer.echo(f"\nF1 is {_percent(best.scores.f1)} at every theta: there is nothing to choose")
        return
    typer.echo(f"\n{_verdict(split, len(chosen_on), len(read.documents) - len(chosen_on), seed, best, reported)}")


def _verdict(split: str, chosen_on: int, rest: int, seed: int, best: ThetaPoint, reported: ThetaPoint | None) -> str:
    """Which theta was chosen on what, and where it may be reported."""
    chosen = f"theta {best.theta:g} is best on {chosen_on} documents of {split}"
    if reported is None:
        return f"{chosen} (F1 {_percent(best.scores.f1)}): report it on others, another split or with --choose-on"
    scores = reported.scores
    return (
        f"{chosen} drawn with seed {seed} (F1 {_percent(best.scores.f1)}).\nOn the other {rest}: precision "
        f"{_percent(scores.precision)}, recall {_percent(scores.recall)}, F1 {_percent(scores.f1)}"
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def _print_table(points: Sequence[ThetaPoint]) -> None:
    """The points, with a bar as long as F1, the highest filling its column."""
    from rich import box
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    from harness.cli.terminal import console

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("theta", "kept", "dropped", "inverted", "P", "R", "F1"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    highest = max(point.scores.f1 for point in points)
    for point in points:
        scores = point.scores
        table.add_row(
            f"{point.theta:g}",
            f"{point.kept:,}",
            f"{point.dropped:,}",
            f"{point.inverted:,}",
            *map(_percent, (scores.precision, scores.recall, scores.f1)),
            ProgressBar(total=highest or 1.0, completed=scores.f1, width=20),
        )
    console().print(table)
