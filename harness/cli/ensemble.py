"""`harness train ensemble`: several trained encoders as one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import JsonOption

ENSEMBLE_HELP = """\
Put trained encoders together: their mean decides, with a threshold of its own.

\b
Examples:
  harness train atlop --train dev_revised.json --seeds 3 --out trainings
  harness train ensemble trainings/seed-0 trainings/seed-1 trainings/seed-2 --train dev_revised.json --out ensemble
  harness run --model ./ensemble --dataset redocred --split dev-report
  harness train ensemble finders/seed-0 finders/seed-1 --train dev_revised.json --out finder
  harness train ensemble atlop-minilm --fusion 1 --train dev_revised.json --out fused

\b
The threshold is chosen on the documents held out of --train to choose by, or on --dev; the scores are of those held
out to report on. Members are copied, so that the folder can be moved; encoders that they share with others are not.
Of entity finders, the mean decides on mentions and on which of them are of one entity.

\b
--fusion scores pairs again in their evidence sentences alone (Eider, DREEAM), and adds that with the weight given,
1 in the papers. The folder then takes about 3.5 times as long to run. One encoder will do.
"""


def train_ensemble(
    members: Annotated[list[str], typer.Argument(help="Folders, names or hub ids of trained encoders.")],
    train: Annotated[str, typer.Option(help="The corpus or DocRED-format file that the members were trained on.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    dev: Annotated[str | None, typer.Option(help="A corpus or file to choose the threshold by.")] = None,
    choose: Annotated[int, typer.Option(min=1, help="Without --dev: documents held out to choose by.")] = 50,
    report: Annotated[int, typer.Option(min=0, help="Without --dev: documents held out to report on.")] = 50,
    fusion: Annotated[float, typer.Option(min=0, help="Weight of the scores in a pair's evidence alone.")] = 0.0,
    as_json: JsonOption = False,
) -> None:
    from harness.encoders.scorer import encoder_folder
    from harness.training.combining import make_ensemble
    from harness.training.fit import TrainingJob, reported_percent

    job = TrainingJob("atlop", train, dev=dev, choose=choose, report=report)
    made = make_ensemble([encoder_folder(member) for member in members], job, out, fusion)
    if as_json:
        typer.echo(json.dumps(made.as_json()))
        return
    text = f"{out}: {made.members} members" if made.members > 1 else f"{out}: one encoder"
    if made.reported:
        text += f", F1 {reported_percent(made.reported, made.task):.2f} on documents not seen"
    typer.echo(text)
