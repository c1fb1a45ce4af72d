"""`harness score`: score a stored run again, or any file in DocRED's submission format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness import strict_json
from harness.cli.options import (
    AlignOption,
    AlignOverOption,
    JsonOption,
    ResultsOption,
    RunDataDirOption,
    RunDatasetOption,
    ThetaOption,
)

if TYPE_CHECKING:
    from harness.runs.stored_data import DataPlace


def score(
    path: Annotated[str, typer.Argument(help="A run (folder, id, part of its id), or a predictions file.")],
    gold: Annotated[
        str | None, typer.Option(help="The labels: a DocRED-format file, or NAME:SPLIT such as cdr:dev.")
    ] = None,
    train: Annotated[Path | None, typer.Option(help="DocRED-format training file, for Ign F1.")] = None,
    surface: Annotated[bool, typer.Option("--surface", help="AutoRE's metric by strings, too (apart).")] = False,
    closure: Annotated[
        bool, typer.Option("--closure", help="What follows by inverses, symmetry and transitivity, too (apart).")
    ] = False,
    align: AlignOption = None,
    theta: ThetaOption = None,
    align_over: AlignOverOption = None,
    dataset: RunDatasetOption = None,
    data_dir: RunDataDirOption = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Score a stored run again from its raw answers, or any predictions file; no model is needed.

    With --gold, a run's stored predictions are scored against other labels, and nothing is stored. With --align,
    --theta or --align-over, its answers are scored under another alignment, and nothing is stored either: the run's
    command with these options makes a run of its own, from the answers in the journal. A run's data is known by its
    checksum, wherever it is now: where it was, beside the results, in the working folder, or where you say.

    \b
    Examples:
      harness score redocred-dev-smollm2
      harness score redocred-dev-smollm2 --closure
      harness score vllm-tagged-format --align minilm --theta 0.6
      harness score redocred-dev-smollm2 --data-dir /mnt/corpora/redocred
      harness score predictions.json --gold dev_revised.json --train train_revised.json --json
      harness score predictions.json --gold cdr:dev --data-dir data/cdr
    """
    from harness.datasets.registry import DATA_SUFFIXES
    from harness.errors import InputError
    from harness.runs.stored_data import DataPlace

    place = DataPlace(dataset, data_dir)
    of_corpus = gold is not None and not Path(gold).exists()
    if (dataset or (data_dir and not of_corpus)) and (gold or Path(path).is_file()):
        raise InputError("--dataset and --data-dir say where a run's own data is: with --gold or a file leave them out")
    realign = align is not None or theta is not None or align_over is not None
    if realign and (gold or surface or Path(path).is_file()):
        raise InputError("--align reads the stored answers of a run anew: leave out --gold, --surface and files")
    if path.endswith((*DATA_SUFFIXES, ".zip")) and not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    if closure and (realign or gold or Path(path).is_file()):
        raise InputError("--closure is of a stored run against its own labels: leave out --gold, --align and files")
    if realign:
        _score_realigned(path, align, theta, align_over, train, place, results_dir, as_json)
    elif not Path(path).is_file():
        _score_run(path, gold, train, surface, closure, place, results_dir, as_json)
    elif gold is None:
        raise InputError(f"{path} is a predictions file: give the labels with --gold FILE")
    else:
        _score_file(Path(path), gold, train, surface, data_dir, as_json)


def _score_run(
    run: str,
    gold: str | None,
    train: Path | None,
    surface: bool,
    closure: bool,
    place: DataPlace,
    results: Path,
    as_json: bool,
) -> None:
    import asyncio

    from harness.cli.summary import print_closure, print_result
    from harness.runs import rescore
    from harness.runs.closure import score_closure
    from harness.store import PREDICTIONS, find_run

    folder = find_run(results, run)
    by_strings = None
    if gold is None:
        result = asyncio.run(rescore.rescore_run(folder, train, place))
        by_strings = rescore.surface_of_run(folder, place) if surface else None
    else:
        result = rescore.score_against(folder, gold, train, place.data_dir)
        labelled = rescore.gold_of(gold, place.data_dir) if surface else None
        by_strings = rescore.surface_scores(folder.path / PREDICTIONS, labelled) if labelled else None
    closed = score_closure(folder, place) if closure else None
    if as_json:
        _print_json({**result.as_json(), **({"closure": closed.as_json()} if closed else {})}, by_strings)
        return
    print_result(result)
    _print_surface(by_strings)
    if closed:
        print_closure(closed)


def _score_realigned(
    run: str,
    align: str | None,
    theta: float | None,
    over: Literal["names", "descriptions"] | None,
    train: Path | None,
    place: DataPlace,
    results: Path,
    as_json: bool,
) -> None:
    import asyncio

    from harness.cli.summary import print_realigned
    from harness.runs.rescore import score_realigned
    from harness.store import find_run

    result = asyncio.run(score_realigned(find_run(results, run), align, theta, over, train, place))
    if as_json:
        _print_json({**result.as_json(), "stored": False}, None)
    else:
        print_realigned(result)


def _score_file(
    predictions: Path, gold: str, train: Path | None, surface: bool, data_dir: Path | None, as_json: bool
) -> None:
    from harness.cli.summary import print_scores
    from harness.runs import rescore

    scored = rescore.score_submission(predictions, gold, train, data_dir)
    by_strings = rescore.surface_scores(predictions, rescore.gold_of(gold, data_dir)) if surface else None
    if as_json:
        nothing_run = {"coverage": None, "run_id": None, "run_dir": None, "usage": None}
        kept = {name: value for name, value in scored.as_json().items() if name in ("metrics", "labels")}
        _print_json({**kept, **nothing_run}, by_strings)
        return
    print_scores(scored)
    _print_surface(by_strings)


def _print_json(outcome: dict[str, Any], surface: dict[str, float | int] | None) -> None:
    typer.echo(strict_json.dumps(outcome if surface is None else {**outcome, "surface": surface}))


def _print_surface(surface: dict[str, float | int] | None) -> None:
    for name, value in (surface or {}).items():
        typer.echo(f"{name:<18} {value:.4g}")
