"""`harness train merge`: an adapter in the weights of its base, as one model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import JsonOption, key_values

MERGE_HELP = """\
Store a model with an adapter (LoRA) in its weights, as a folder that transformers and vLLM load.

\b
Examples:
  harness train merge --model smollm2-135m --adapter results/adapters/compact/seed-0 --out merged
  harness run --model transformers/./merged --prompt compact --split dev-report

\b
The weights of a GGUF file are stored dequantised, in single precision or as -M dtype says; no GGUF file is made. The
folder keeps the record of documents that the adapter saw.
"""


def train_merge(
    model: Annotated[str, typer.Option(help="The model that the adapter was trained on; transformers loads it.")],
    adapter: Annotated[Path, typer.Option(help="The adapter's folder.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    model_option: Annotated[
        list[str] | None, typer.Option("-M", "--model-option", metavar="KEY=VALUE", help="An option of transformers.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    from harness.runs.config import RunConfig
    from harness.training.llm.merging import merge_adapter

    size = merge_adapter(RunConfig(model, model_options=key_values(model_option, "-M")), adapter, out)
    if as_json:
        typer.echo(json.dumps({"folder": str(out), "bytes": size}))
        return
    typer.echo(f"{out}: {size / 1e6:,.1f} MB; use it with --model transformers/{out}")
