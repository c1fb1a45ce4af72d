"""`harness calibrate`: what a stored run's answers by option say of the model, and temperatures to correct it."""

from __future__ import annotations

import string
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness import strict_json
from harness.amounts import amount
from harness.cli.options import JsonOption, ResultsOption, RunDataDirOption, RunDatasetOption

if TYPE_CHECKING:
    from harness.analyses.calibration import Calibration
    from harness.analyses.encoder_calibration import EncoderCalibration
    from harness.refiners.calibration import Bin, Place


def calibrate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run of choice, judge or statements, or of an encoder.")],
    out: Annotated[Path | None, typer.Option(help="Draw both tables as FILE.png, .svg or .pdf.")] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="An encoder's folder: write calibration.json, by which `harness extract` scores."),
    ] = None,
    dataset: RunDatasetOption = None,
    data_dir: RunDataDirOption = None,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Compare the options that a model chose with the right ones: by place, by confidence, after tempering.

    The temperatures are fitted on the run's documents. Use them on others, such as those of another split:
    `harness run ... --refine ENCODER -R model_temperature=T`. They are recorded with the run, so that a run of the same
    documents that uses them is not ranked.

    \b
    Examples:
      harness calibrate dev_choose-smollm2_135m-choice
      harness calibrate dev_choose-smollm2_135m-choice --out calibration.svg
      harness calibrate redocred-dev_choose-atlop --into results/encoders/atlop/seed-0
    """
    from harness.analyses.calibration import calibration_of
    from harness.analyses.encoder_calibration import encoder_calibration_of
    from harness.cli.figures import check_output
    from harness.encoders.scores import PAIR_SCORES
    from harness.errors import InputError
    from harness.runs.chosen_settings import record_choice
    from harness.runs.stored_data import DataPlace
    from harness.store import find_run

    if out:
        check_output(out)
    folder = find_run(results_dir, run)
    if folder.has(PAIR_SCORES):
        margins = encoder_calibration_of(folder, DataPlace(dataset, data_dir))
        if out:
            _draw_reliability(out, folder.run_id, margins)
        if into:
            margins.save(into)
        if as_json:
            typer.echo(strict_json.dumps(margins.as_json()))
        else:
            _print_encoder(folder.run_id, margins, into)
        return
    if into:
        raise InputError("--into is for runs of encoders: name one that has pair scores")
    found = calibration_of(folder, DataPlace(dataset, data_dir))
    if out:
        _draw(out, found)
    if as_json:
        typer.echo(strict_json.dumps(found.as_json()))
    else:
        _print(found)
    for name, temperature in found.temperatures().items():
        record_choice(folder, name, temperature, found.contents)


def _print_encoder(run_id: str, found: EncoderCalibration, into: Path | None) -> None:
    from harness.cli.tables import print_table

    fit = found.calibration
    typer.echo(
        f"{run_id}: temperature {fit.temperature:.3f}, offset {fit.offset:.3f}, fitted on {fit.documents:,} documents "
        f"of {fit.fitted_on}\ncalibration error {found.error:.3f}; {found.fitted_error:.3f} on the same ones after it"
    )
    for caption, bins in (("as it is", found.bins), ("calibrated", found.fitted_bins)):
        print_table(caption, [["probability", "triplets", "mean", "right"], *map(_bin_row, bins)])
    if into:
        typer.echo(f"written to {into}")


def _bin_row(one: Bin) -> list[str]:
    return [f"{one.low:.1f} to {one.high:.1f}", f"{one.answers:,}", f"{one.confidence:.3f}", f"{one.accuracy:.3f}"]


def _draw_reliability(path: Path, run_id: str, found: EncoderCalibration) -> None:
    """How many triplets of each probability are right, before and after the fit."""
    from matplotlib.figure import Figure

    from harness.cli.figures import save_figure

    figure = Figure(figsize=(4.5, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ":", color="grey")
    for label, bins, style in (("as it is", found.bins, "o--"), ("calibrated", found.fitted_bins, "o-")):
        axes.plot([one.confidence for one in bins], [one.accuracy for one in bins], style, color="black", label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of a triplet", ylabel="share that is right", title=run_id)
    axes.legend()
    save_figure(figure, path)


def _print(found: Calibration) -> None:
    from harness.cli.tables import print_table

    unread = f", {found.unread:,} without probabilities left out" if found.unread else ""
    typer.echo(
        f"{found.run_id}: {amount(found.questions, 'question')} about {amount(found.documents, 'document')}{unread}"
    )
    if found.silver:
        typer.echo(found.silver)
    print_table(
        "by place of the option",
        [
            ["option", "questions", "right", "chosen", "chosen rightly"],
            *([_option_name(one), *(f"{number:,}" for number in one[1:])] for one in found.places),
        ],
    )
    print_table(
        "by confidence",
        [
            ["confidence", "answers", "mean", "right"],
            *(_bin_row(one) for one in found.bins),
        ],
    )
    if found.model_temperature is None:
        return
    options = [f"-R {name}={temperature:.3g}" for name, temperature in found.temperatures().items()]
    typer.echo(
        f"calibration error {found.error:.3f}; {found.fitted_error:.3f} on the same questions at the temperature that "
        f"fits them best.\nFitted on {amount(found.documents, 'document')} of {found.dataset} {found.split}; "
        f"for others: {' '.join(options)}"
    )


def _option_name(place: Place) -> str:
    """The letter of a place, as prompt ``choice`` writes it; a number beyond the alphabet."""
    if place.place < 0:
        return "none"
    return string.ascii_uppercase[place.place] if place.place < len(string.ascii_uppercase) else str(place.place + 1)


def _draw(path: Path, found: Calibration) -> None:
    """Two panels: how right answers are at each confidence, and how often each option is right and chosen.

    Raises StorageError where the file cannot be written.
    """
    # Not pyplot: a figure of its own needs no screen.
    from matplotlib.figure import Figure

    from harness.cli.figures import save_figure

    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], ":", color="grey", label="calibrated")
    left.plot([one.confidence for one in found.bins], [one.accuracy for one in found.bins], "o-", color="black")
    left.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the chosen option", ylabel="share that is right")
    left.set_title(f"{found.questions - found.unread} answers, calibration error {found.error:.3f}", fontsize="small")
    left.legend()
    names = [_option_name(one) for one in found.places]
    right.bar(
        [x - 0.2 for x in range(len(names))], [one.right for one in found.places], 0.4, label="right", color="0.7"
    )
    right.bar(
        [x + 0.2 for x in range(len(names))], [one.chosen for one in found.places], 0.4, label="chosen", color="0.2"
    )
    right.set_xticks(range(len(names)), names)
    right.set(xlabel="option", ylabel="questions")
    figure.suptitle(found.run_id, fontsize="small")
    right.legend()
    save_figure(figure, path)
