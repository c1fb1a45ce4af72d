"""`harness prompts`: list the prompt variants, and show what one would send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import JsonOption
from harness.cli.run_options import fields_from, with_options_of
from harness.cli.terminal import print_exact
from harness.runs.config import OPTIONS, RunConfig

if TYPE_CHECKING:
    from harness.methods.base import Demonstration, PromptMethod
    from harness.types import Document

EMBEDDED_MODEL = "smollm2-135m"

app = typer.Typer(help="List prompt variants, or show what one would send.", invoke_without_command=True)


@app.callback()
def list_prompts(context: typer.Context) -> None:
    """List the shipped variants with their options; `show` prints the messages of one."""
    if context.invoked_subcommand is None:
        _print_prompts()


@app.command("list")
def list_again() -> None:
    """List the shipped variants with their options, as `harness prompts` does.

    \b
    Example:
      harness prompts list
    """
    _print_prompts()


def _print_prompts() -> None:
    from harness.methods.table import METHODS
    from harness.prompting.variant import (
        EVIDENCE,
        GENERAL_OPTIONS,
        LANGUAGE,
        LEAST_SCORE,
        REASONING,
        SCORES,
        shipped_variants,
    )

    variants = list(shipped_variants())
    for variant in variants:
        description = variant.description
        typer.echo(f"{variant.name} (version {description.version}): {description.description}")
        for key, option in description.left_open.items():
            typer.echo(f"    -P {key}={option.usage}  {option.help}")
    translated = ", ".join(one.name for one in variants if len(one.languages) > 1)
    kinds = {one.name: METHODS.get(one.description.method) for one in variants}
    listing = ", ".join(name for name, kind in kinds.items() if kind and kind.names_evidence)
    scored = ", ".join(name for name, kind in kinds.items() if kind and kind.lists_triplets)
    reasoning = "all prompts that are not answered by one token"
    for key, of in (
        (REASONING, reasoning),
        (EVIDENCE, listing),
        (SCORES, scored),
        (LEAST_SCORE, scored),
        (LANGUAGE, translated),
    ):
        typer.echo(f"{of}\n    -P {key}={GENERAL_OPTIONS[key].usage}  {GENERAL_OPTIONS[key].help}")


SHOWN = (
    replace(
        OPTIONS["model"],
        default=EMBEDDED_MODEL,
        text=f"Whose tokens and grammar (default: {EMBEDDED_MODEL}).",
    ),
    replace(OPTIONS["dataset"], default="sample"),
    *(option for option in OPTIONS.values() if option.in_prompt),
)
"""What the messages of a prompt depend on."""


@app.command()
@with_options_of(fields_from(SHOWN))
def show(
    fields: dict[str, Any],
    name: Annotated[str, typer.Argument(help="A variant, or the path of a folder.")],
    document: Annotated[str | None, typer.Option(help="Title of a document (default: the first).")] = None,
    grammar: Annotated[bool, typer.Option("--grammar", help="Print the grammar of the answer, too.")] = False,
    gold: Annotated[
        bool, typer.Option("--gold", help="Print every request of the document, with the answers that its labels give.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the messages of a document's first request, byte for byte, and how many tokens they are.

    On a terminal, control characters in them are shown as escapes; a file or pipe gets them as they are sent.

    \b
    Examples:
      harness prompts show tagged
      harness prompts show tagged --document "Porto Azul Records" --dataset sample -P refs=name --grammar
      harness prompts show rhf --document "Ingrid Solheim" --gold
      harness prompts show tagged --given nothing --finder entities-minilm
    """
    from harness.datasets.gold import with_gold
    from harness.datasets.registry import load_dataset
    from harness.runs.estimate import tokens_of
    from harness.runs.plan import prepare

    experiment = prepare(RunConfig(**fields, prompt=name), model_needed=False)
    documents = load_dataset(fields["dataset"], fields["split"], fields["data_dir"])
    found = _find((with_gold(documents, "--gold") if gold else documents).documents, document)
    exchanges = _exchanges(experiment.method(), found, gold)
    shown = exchanges if gold else exchanges[:1]
    counted = asyncio.run(tokens_of(experiment, [one.request.messages for one in shown])) if shown else None
    tokens = None if counted is None else sum(counted)
    if as_json:
        typer.echo(json.dumps(_as_json(found.title, shown, tokens, grammar, gold)))
        return
    if not shown:
        typer.echo(f"there is nothing to ask about {found.title!r}: nothing is sent")
    for number, (step, request, answer) in enumerate(shown, 1):
        if gold:
            typer.echo(f"------ request {number} of {len(shown)}, step {step}")
        for message in request.messages:
            print_exact(f"--- {message.role}\n{message.content}")
        if grammar and request.constraint:
            print_exact(f"--- grammar ({request.constraint.form})\n{request.constraint.text}")
        if gold:
            print_exact(f"--- the answer that the labels give\n{answer}")
    if tokens is not None:
        typer.echo(f"--- {tokens:,} tokens for {experiment.spec.name}", err=True)


def _find(documents: Iterable[Document], title: str | None) -> Document:
    from harness.errors import InputError

    for document in documents:
        if title in (None, document.title):
            return document
    raise InputError(f"no document is titled {title!r}; titles are matched exactly" if title else "no documents")


def _exchanges(method: PromptMethod, document: Document, gold: bool) -> list[Demonstration]:
    """What is asked about a document: over the entities that a trained finder finds, if it is to find them."""
    from harness.errors import InputError
    from harness.methods.found_entities import FoundByEncoder, OverFoundEntities

    if not isinstance(method, OverFoundEntities) or not isinstance(method.finding, FoundByEncoder):
        return method.demonstrate(document)
    if gold:
        raise InputError("--gold shows answers about the labels' entities: leave out --given, or name --finder llm")
    return method.related.demonstrate(method.finding.found(document))


def _as_json(
    title: str, exchanges: Sequence[Demonstration], tokens: int | None, grammar: bool, gold: bool
) -> dict[str, object]:
    return {
        "document": title,
        "prompt_tokens": tokens,
        "requests": [
            {
                "step": step,
                "messages": [{"role": message.role, "content": message.content} for message in request.messages],
                "constraint": request.constraint.text if grammar and request.constraint else None,
                **({"gold_answer": answer} if gold else {}),
            }
            for step, request, answer in exchanges
        ],
    }
