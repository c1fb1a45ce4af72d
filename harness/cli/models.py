"""`harness models`: the table of models, and fetching the embedded one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from harness.cli.options import JsonOption

app = typer.Typer(help="List the models, or fetch the file of an embedded one.", invoke_without_command=True)


@app.callback()
def list_models(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the short names; `provider/name` reaches models without a row."""
    if context.invoked_subcommand is not None:
        return
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
    from harness.models import ENCODER, resolve_model
    from runners.registry import declared

    runner = resolve_model(name).runner
    if runner == ENCODER:
        raise InputError(f"{name} is an encoder: docs/encoders.md lists its options")
    for option, (text, _) in sorted(declared(runner).options.items()):
        typer.echo(f"-M {option}{'NAME' if option.endswith('.') else ''}=  {text}")


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="An embedded model, such as smollm2-135m.")]) -> None:
    """Download and verify the file of an embedded model, so that later runs need no network.

    \b
    Example:
      harness models fetch smollm2-135m
    """
    from harness.errors import InputError
    from harness.models import resolve_model
    from runners.model_file import fetch_model

    spec = resolve_model(name)
    if spec.runner != "llama_cpp":
        raise InputError(f"{name} is not an embedded model: {spec.runner} gets its weights itself")
    typer.echo(str(fetch_model(spec, lambda line: typer.echo(line, err=True))))
