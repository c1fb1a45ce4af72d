"""`harness models`: the table of models, and fetching the files of those that run on the CPU."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import JsonOption

app = typer.Typer(help="List the models, or fetch the file of one that runs on the CPU.", invoke_without_command=True)

WITHOUT_FILE = {
    "encoder": "encoders are part of a package, of a folder, or loaded from the hub by the run",
    "mock": "it answers from a script (-M answers=FILE)",
    "openai_api": "it runs at its provider",
    "transformers": "the run loads it from the hub, or from its folder",
    "vllm_inprocess": "vLLM loads it when a run starts",
    "vllm_server": "vLLM loads it when a run starts",
}
"""Where the weights of a runner's models are, for those that `fetch` has nothing to fetch for."""


@app.callback()
def list_models(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the short names; `provider/name` reaches models without a row."""
    if context.invoked_subcommand is None:
        _print_models(as_json)


@app.command("list")
def list_again(as_json: JsonOption = False) -> None:
    """List the short names, as `harness models` does.

    \b
    Example:
      harness models list
    """
    _print_models(as_json)


def _print_models(as_json: bool) -> None:
    from harness.models import load_models

    models = load_models().values()
    if as_json:
        typer.echo(json.dumps([asdict(spec) for spec in models]))
        return
    typer.echo(f"{'NAME':<24} {'RUNNER':<12} {'CONTEXT':>9} {'GPUS':>5} {'$/M IN':>8} {'$/M OUT':>8}  MODEL")
    for spec in models:
        context_size = "" if spec.context is None else f"{spec.context:,}"
        prices = ["" if price is None else f"{price:g}" for price in (spec.price_in, spec.price_out)]
        typer.echo(
            f"{spec.name:<24} {spec.runner:<12} {context_size:>9} {spec.gpus or '':>5} "
            f"{prices[0]:>8} {prices[1]:>8}  {spec.model_id}"
        )


@app.command()
def options(name: Annotated[str, typer.Argument(help="What --model would name.")]) -> None:
    """List the options that `-M NAME=VALUE` sets for a model.

    \b
    Example:
      harness models options smollm2-135m
    """
    from harness.errors import InputError
    from harness.models import resolve_model
    from harness.types import PredictionSource
    from runners.registry import declared

    spec = resolve_model(name)
    if spec.source == PredictionSource.ENCODER:
        raise InputError(f"{name} is an encoder: docs/encoders.md lists its options")
    for option, (text, _) in sorted(declared(spec.runner).options.items()):
        typer.echo(f"-M {option}{'NAME' if option.endswith('.') else ''}=  {text}")


@app.command()
def fetch(
    name: Annotated[
        str, typer.Argument(help="A model that runs on the CPU, such as smollm2-135m or qwen2.5-1.5b-gguf.")
    ],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Take this GGUF file instead; it stays where it is.")
    ] = None,
) -> None:
    """Download and verify a model's file, so that later runs need no network. A download that was cut off resumes.

    \b
    Examples:
      harness models fetch smollm2-135m
      harness models fetch qwen2.5-1.5b-gguf
      harness models fetch qwen2.5-1.5b-gguf --from ~/models/qwen2.5-1.5b-instruct-q4_k_m.gguf
    """
    from harness.errors import InputError
    from harness.models import load_models, resolve_model
    from runners.hub_file import is_hub_row, register_file
    from runners.model_file import fetch_model

    spec = load_models().get(name) or resolve_model(name)
    if spec.runner != "llama_cpp":
        raise InputError(f"{name} has no file to fetch: {WITHOUT_FILE[spec.runner]}")
    if source is not None and not is_hub_row(spec):
        raise InputError(f"--from {source}: {name} has its own file; run yours with --model {source}")
    path = register_file(spec, source) if source else fetch_model(spec, lambda line: typer.echo(line, err=True))
    typer.echo(str(path))
