"""`harness extract`: one's own texts in, entities and relations out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import key_values

if TYPE_CHECKING:
    from harness.extraction.inputs import Text

EXIT_SOME_FAILED, EXIT_ALL_FAILED = 1, 2


def extract(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Text, Markdown, HTML, PDF or JSON lines; a folder; - for standard input."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write (default: standard output); its ending tells the format.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="jsonl, csv (triplets), docred, graphml, node-link (JSON) or turtle (RDF)."),
    ] = None,
    entities: Annotated[
        str,
        typer.Option(
            help="entities-minilm, a trained finder's folder, gliner[/ID], spacy/PIPELINE, or FILE.jsonl of mentions."
        ),
    ] = "entities-minilm",
    relations: Annotated[
        str, typer.Option(help="atlop-minilm, glidre-minilm, another encoder, a language model, or none.")
    ] = "atlop-minilm",
    schema: Annotated[
        str,
        typer.Option(help="Relations: redocred, or a rel_info.json of your own (glidre-minilm or a language model)."),
    ] = "redocred",
    min_score: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Keep relations of this probability or more; 0.5: the model's choice."),
    ] = 0.5,
    entity_type: Annotated[
        list[str] | None, typer.Option("--entity-type", help="A label that GLiNER looks for; repeatable.")
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Graphs: entities of the same type and name in all texts are one node.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(help="A folder for pages with text, graph and list of every text; replaced if it is one."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-M", "--model-option", metavar="KEY=VALUE", help="device, precision, threads; threshold (GLiDRE)."
        ),
    ] = None,
) -> None:
    """Find the entities and relations of your own texts.

    Each result is written as soon as it is there. What cannot be read is told in one line, and the next input is read:
    exit code 1, or 2 where nothing could be read.

    \b
    Examples:
      harness extract article.txt
      harness extract papers/ notes.md --out triplets.csv --min-score 0.8
      curl -s https://example.org/page.html | harness extract - --format turtle
      harness extract news.jsonl --out graph.graphml --merge --html pages
      harness extract article.txt --relations glidre-minilm --schema my_relations.json
    """
    from contextlib import ExitStack

    from harness.extraction.inputs import read_inputs
    from harness.extraction.plan import ExtractionConfig, extractor_of
    from harness.extraction.writers import format_of, writer

    form = format_of(kind, out)
    config = ExtractionConfig(
        entities, relations, schema, min_score, labels=tuple(entity_type or ()), options=key_values(option, "-M")
    )
    reading = _Reading()
    extractor = extractor_of(config)
    texts = reading.readable(read_inputs(inputs))
    with ExitStack() as stack:
        writers = [stack.enter_context(writer(form, out, extractor.schema, merge=merge))]
        if html is not None:
            from harness.extraction.page import page_writer

            writers.append(stack.enter_context(page_writer(html, extractor.schema, relations)))
        for outcome in extractor.extract(texts):
            for one in writers:
                one.write(outcome)
            reading.add(len(outcome.extracted.entities), len(outcome.extracted.relations))
    reading.end(out)


class _Reading:
    """What was read and found, and what was not, told on standard error."""

    def __init__(self) -> None:
        self.texts = self.unreadable = self.entities = self.triplets = 0

    def readable(self, inputs: Iterator[Text | object]) -> Iterator[Text]:
        """The texts among the inputs; of each other one a line is printed."""
        from harness.extraction.inputs import Text, Unreadable

        for one in inputs:
            if isinstance(one, Text):
                yield one
            elif isinstance(one, Unreadable):
                self.unreadable += 1
                typer.echo(f"error: {' '.join(f'{one.source}: {one.problem}'.split())}", err=True)

    def add(self, entities: int, triplets: int) -> None:
        self.texts += 1
        self.entities += entities
        self.triplets += triplets

    def end(self, out: Path | None) -> None:
        """Say what was found; exit as what could not be read demands."""
        if self.texts:
            where = f", written to {out}" if out else ""
            typer.echo(f"{self.texts:,} texts, {self.entities:,} entities, {self.triplets:,} triplets{where}", err=True)
        if self.unreadable:
            raise typer.Exit(EXIT_SOME_FAILED if self.texts else EXIT_ALL_FAILED)
