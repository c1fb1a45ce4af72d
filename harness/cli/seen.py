"""`harness train seen`: record which documents and relations an encoder saw in training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import JsonOption

SEEN_HELP = """\
Record which documents and relations an encoder or a LoRA adapter saw in training, where its folder does not tell.

\b
Examples:
  harness train seen trainings/seed-0 --documents dev_revised.json
  harness train seen glidre-large --documents train_revised.json
  harness train seen adapters/of-others --documents train_revised.json

\b
Every training records them; this is for encoders that were trained before, or elsewhere. With a training.json, give the
files that it names: splits are repeated from it. Without one, all documents of the files count as trained on, and that
these are all is your word. Runs of documents that an encoder saw, or may have seen, are not ranked.
"""


def train_seen(
    encoder: Annotated[
        str, typer.Argument(help="Folder, name or hub id of a trained encoder, or folder of an adapter.")
    ],
    documents: Annotated[list[Path], typer.Option(help="A file of documents that it saw; repeatable.")],
    as_json: JsonOption = False,
) -> None:
    from harness.encoders.scorer import encoder_folder
    from harness.encoders.seen import SEEN
    from harness.models import resolve_model
    from harness.training.recording import record_seen
    from runners.adapters import CONFIG

    is_adapter = (Path(encoder) / CONFIG).is_file()
    folder = Path(encoder) if is_adapter else encoder_folder(resolve_model(encoder).model_id)
    seen = record_seen(folder, documents)
    numbers = {"trained_on": len(seen.trained_on), "chosen_by": len(seen.chosen_by - seen.trained_on)}
    if as_json:
        typer.echo(json.dumps({"file": str(folder / SEEN), **numbers}))
        return
    typer.echo(
        f"{folder / SEEN}: trained on {numbers['trained_on']:,} documents, chosen by {numbers['chosen_by']:,} others"
    )
