"""`harness train compress`: a smaller copy of a trained encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import JsonOption

COMPRESS_HELP = """\
Store a smaller copy of a trained encoder: of its encoder only what training changed, as factors of low rank.

\b
Examples:
  harness train compress trainings/seed-0 --rank 96 --out small
  harness run --model ./small --dataset redocred --split dev-report

\b
The pretrained encoder has to be at hand to load it, as it has for all encoders that share weights with it. Scores
change a little: run both before you give one away.
"""


def train_compress(
    encoder: Annotated[str, typer.Argument(help="Folder or hub id of a trained encoder.")],
    rank: Annotated[int, typer.Option(min=1, help="Of the differences; a matrix has at most its shorter side.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    as_json: JsonOption = False,
) -> None:
    from harness.encoders.scorer import encoder_folder
    from harness.training.compressing import compress

    made = compress(encoder_folder(encoder), rank, out)
    if as_json:
        typer.echo(json.dumps(made.as_json()))
        return
    typer.echo(f"{out}: {made.after / 1e6:.1f} MB, before {made.before / 1e6:.1f} MB")
