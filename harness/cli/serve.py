"""`harness serve`: texts in, entities and relations out, over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import (
    EntitiesOption,
    EntityTypeOption,
    ExtractModelOption,
    MinScoreOption,
    RelationsOption,
    SchemaOption,
    key_values,
)
from harness.errors import InputError, ModelUnavailable

TOKEN = "HARNESS_SERVE_TOKEN"
"""The variable that has the token."""


def serve(
    entities: EntitiesOption = "entities-minilm",
    relations: RelationsOption = "atlop-minilm",
    schema: SchemaOption = "redocred",
    min_score: MinScoreOption = None,
    entity_type: EntityTypeOption = None,
    option: ExtractModelOption = None,
    host: Annotated[
        str, typer.Option(help="Any but this machine's own demands a token: 0.0.0.0 is all of its addresses.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 8000,
    token_file: Annotated[
        Path | None, typer.Option(help=f"A file whose first line is the token of all requests (or ${TOKEN}).")
    ] = None,
    max_body: Annotated[int, typer.Option(min=1, help="Largest request, in KB.")] = 64,
    max_requests: Annotated[int, typer.Option(min=1, help="Most requests at once; one more is told to wait.")] = 16,
    timeout: Annotated[float, typer.Option(min=0.1, help="Most seconds for one request.")] = 60.0,
) -> None:
    """Find entities and relations for programs and browsers on this machine, until Ctrl-C.

    A page at / shows what is found in a pasted text; /docs says how programs ask. Requests that come together are read
    together.

    \b
    Examples:
      harness serve
      curl -s -H 'Content-Type: application/json' -d '{"text": "Ada was born in London."}' http://127.0.0.1:8000/extract
      harness serve --relations glidre-minilm --schema my_relations.json --port 0
      HARNESS_SERVE_TOKEN=$(openssl rand -hex 32) harness serve --host 0.0.0.0
    """
    try:
        import fastapi  # noqa: F401 - told before models are loaded
        import uvicorn  # noqa: F401
    except ImportError:
        raise ModelUnavailable(
            "`harness serve` needs FastAPI and uvicorn: pip install 'docre-harness[serve]'"
        ) from None
    from harness.extraction.inputs import Text
    from harness.extraction.plan import ExtractionConfig, extractor_of, finder_model, is_llm
    from harness.loopback import is_loopback
    from harness.redaction import remember
    from harness.serving.app import service
    from harness.serving.guard import Access, Limits
    from harness.serving.server import bound_port, checked_token, serve_until_stopped

    token = _token(token_file)
    access = Access(is_loopback(host), checked_token(token) if token else "")
    if not access.loopback and not access.token:
        raise InputError(
            f"--host {host}: others would reach the service, so it needs a token: --token-file FILE, or {TOKEN}"
        )
    remember(access.token)
    if is_llm(relations) or finder_model(entities, relations):
        raise InputError(
            "a language model is served by its own server: give an encoder and a finder (`harness extract`)"
        )
    labels = tuple(entity_type or ())
    config = ExtractionConfig(entities, relations, schema, min_score, labels=labels, options=key_values(option, "-M"))
    extractor = extractor_of(config)
    limits = Limits(max_body * 1024, max_requests, timeout)
    with bound_port(host, port) as taken:
        typer.echo("loading the models", err=True)
        # The first text loads them.
        list(extractor.batch([Text("", "", "Ada Lovelace was born in London.")]))
        app = service(extractor, entities, access, limits)
        serve_until_stopped(app, taken, limits, lambda address: typer.echo(f"serving {address} (Ctrl-C ends it)"))
    typer.echo("ended", err=True)


def _token(file: Path | None) -> str:
    """The token of the file or of the environment; empty where there is none."""
    if file is None:
        return os.environ.get(TOKEN, "")
    try:
        return next(iter(file.read_text(encoding="utf-8").splitlines()), "") or " "
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--token-file {file}: cannot be read ({type(error).__name__})") from None
