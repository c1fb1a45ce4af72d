"""`harness schema`: files that say what the relations of a corpus are and mean."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from harness.amounts import amount
from harness.cli.options import DataDirOption, key_values

app = typer.Typer(help="Draft and check schema files: relations with their texts.", no_args_is_help=True)


@app.command()
def new(
    corpus: Annotated[str, typer.Argument(help="A corpus, NAME:SPLIT, or a file whose relations are drafted.")],
    out: Annotated[Path, typer.Argument(help="The file to write; as schema.toml beside documents it is their schema.")],
    data_dir: DataDirOption = None,
    model: Annotated[
        str | None, typer.Option(help="A language model that drafts descriptions and statements, as of `harness run`.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="OpenAI-compatible address of the model's server.")] = None,
    model_option: Annotated[
        list[str] | None, typer.Option("-M", "--model-option", metavar="KEY=VALUE", help="An option of the runner.")
    ] = None,
) -> None:
    """Draft a schema file from a corpus: names, argument types by counts, and texts to be written over.

    \b
    Examples:
      harness schema new train.json schema.toml
      harness schema new cdr:train cdr.toml --data-dir data/cdr
      harness schema new train.json schema.toml --model gpt-4o-mini
    """
    from harness.datasets.registry import load_split
    from harness.datasets.schema_draft import check_absent, draft_schema, write_draft

    check_absent(out)
    dataset = load_split(corpus, data_dir)
    texts = None
    if model is not None:
        from harness.annotation.relations import drafted_texts
        from harness.runs.config import RunConfig

        config = RunConfig(model, base_url=base_url, model_options=key_values(model_option, "-M"))
        texts = asyncio.run(drafted_texts(dataset, config))
    write_draft(out, draft_schema(dataset, texts, model or ""))
    count = len(dataset.schema.relations)
    by = "" if texts is None else f", {len(texts):,} with texts by {model}"
    typer.echo(f"{out}: a draft of {amount(count, 'relation')}{by}; rewrite its texts")


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A schema file, or a file of relation texts.")]) -> None:
    """Check a schema file: one line on the first thing wrong in it, or what it holds.

    \b
    Example:
      harness schema check schema.toml
    """
    from harness.prompting.relations import drafted_from, read_relation_texts

    texts = read_relation_texts(file)
    drafted = "; a draft, whose texts are to be rewritten" if drafted_from(file) else ""
    typer.echo(f"{file}: {amount(len(texts), 'relation')}, all valid{drafted}")
