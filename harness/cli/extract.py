"""`harness extract`: one's own texts in, entities and relations out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from harness import strict_json
from harness.cli.options import (
    DataDirOption,
    Display,
    DisplayOption,
    EntitiesOption,
    EntityTypeOption,
    ExtractModelOption,
    MinScoreOption,
    RelationsOption,
    ResultsOption,
    SchemaOption,
    key_values,
)
from harness.cli.run_options import fields_from, with_options_of
from harness.errors import InputError
from harness.extraction.model_options import OF_RELATIONS, OF_REQUESTS
from harness.runs.config import OPTIONS, RunConfig

if TYPE_CHECKING:
    from harness.extraction.inputs import Text
    from harness.extraction.pipeline import Extractor
    from harness.runs.execute import Observer
    from harness.runs.sources.encoder import EncoderExperiment

EXIT_SOME_FAILED, EXIT_ALL_FAILED = 1, 2
PROMPT = replace(
    OPTIONS["prompt"],
    default="",
    text="Of a language model: what asks for relations (default: hrt; choice with --refine, pairwise with "
    "--candidates).",
)
CANDIDATES = replace(OPTIONS["candidates"], text="The pairs that a language model is asked about: an encoder, or all.")
REFINE = replace(OPTIONS["refine"], text="An encoder whose hard pairs the prompt (choice, judge) decides.")
ASKED = (
    PROMPT, *(OPTIONS[name] for name in OF_RELATIONS if name not in ("prompt", "candidates", "refine")), CANDIDATES,
    REFINE, OPTIONS["base_url"], *(OPTIONS[name] for name in OF_REQUESTS),
)  # fmt: skip
"""How a language model is asked, where it finds entities or relations."""


@with_options_of(fields_from(ASKED), own_first=True)
def extract(
    asked: dict[str, Any],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT]...", help="Text, Markdown, HTML, PDF or JSON lines; a folder; - for standard input."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write (default: standard output); its ending tells the format.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format", help="jsonl, csv (triplets), docred, graphml, node-link (JSON), turtle (RDF) or text."
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show the sentences of each triplet, and what else its pair could be."),
    ] = False,
    entities: EntitiesOption = "entities-minilm",
    relations: RelationsOption = "atlop-minilm",
    schema: SchemaOption = "redocred",
    min_score: MinScoreOption = None,
    entity_type: EntityTypeOption = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Graphs: entities of the same type and name in all texts are one node.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(help="A folder for pages with text, graph and list of every text; replaced if it is one."),
    ] = None,
    results: ResultsOption = Path("results"),
    display: DisplayOption = None,
    dataset: Annotated[
        str | None, typer.Option(help="With --score, in place of INPUT: a corpus or DocRED-format file with labels.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="With --dataset: a split such as dev-report.")] = None,
    data_dir: DataDirOption = None,
    score: Annotated[
        bool, typer.Option("--score", help="Print what the models score end to end on --dataset, stage by stage.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --score: print one JSON object.")] = False,
    option: ExtractModelOption = None,
) -> None:
    """Find the entities and relations of your own texts.

    Each result is written as soon as it is there. What cannot be read is told in one line, and the next input is read:
    exit code 1, or 2 where nothing could be read.

    \b
    Examples:
      harness extract article.txt
      harness extract article.txt --explain
      harness extract papers/ notes.md --out triplets.csv --min-score 0.8
      curl -s https://example.org/page.html | harness extract - --entities spacy/en_core_web_sm --format turtle
      harness extract news.jsonl --out graph.graphml --merge --html pages
      harness extract article.txt --relations glidre-minilm --schema my_relations.json
      harness extract article.txt --entities gpt-4o-mini --relations atlop-minilm
      harness extract article.txt --relations qwen2.5-1.5b-gguf --refine atlop-minilm
      harness extract --dataset redocred --split dev-report --score
    """
    from contextlib import ExitStack

    from harness.extraction.execute import extract_texts
    from harness.extraction.inputs import read_inputs
    from harness.extraction.plan import ExtractionConfig, plan_extraction
    from harness.extraction.writers import format_of, writer

    if score != (dataset is not None) or bool(inputs) == score:
        raise InputError("name INPUT files to extract from, or --dataset CORPUS --score and no INPUT")
    form = format_of(kind, out, explain=explain, merge=merge)
    config = ExtractionConfig(
        entities, relations, schema, min_score, labels=tuple(entity_type or ()), options=key_values(option, "-M")
    )
    extraction = plan_extraction(config, RunConfig(relations, **asked, results=results))
    if dataset is not None:
        if extraction.asks_a_model:
            raise InputError("--score is for finders and encoders; `harness run` scores language models")
        _score(extraction.extractor, dataset, split, data_dir, as_json)
        return
    reading = _Reading(display)
    extractor = extraction.extractor
    texts = reading.readable(read_inputs(inputs or ()))
    with ExitStack() as stack:
        writers = [stack.enter_context(writer(form, out, extractor.schema, merge=merge, explain=explain))]
        if html is not None:
            from harness.extraction.page import page_writer

            writers.append(stack.enter_context(page_writer(html, extractor.schema, relations)))
        for outcome in extract_texts(extraction, texts, reading):
            for one in writers:
                one.write(outcome)
            reading.add(len(outcome.extracted.entities), len(outcome.extracted.relations))
    reading.end(out)


Answer = TypeVar("Answer")


def _score(extractor: Extractor, dataset: str, split: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Print the scores of every stage on a labelled corpus."""
    from harness.cli.tables import print_table
    from harness.datasets.gold import with_gold
    from harness.datasets.registry import load_dataset
    from harness.extraction.evaluation import end_to_end

    corpus = with_gold(load_dataset(dataset, split, data_dir), "--score")
    rows = list(end_to_end(extractor, list(corpus.documents)))
    if as_json:
        typer.echo(strict_json.dumps({"documents": len(corpus.documents), "scores": [asdict(row) for row in rows]}))
        return
    table = [["given", "", "P", "R", "F1", "correct", "predicted", "gold"]]
    for row in rows:
        for name, one in (
            ("mentions", row.mentions),
            ("entities", row.entities),
            ("relations, strict", row.strict),
            ("relations, relaxed", row.relaxed),
        ):
            percent = [f"{100 * value:.2f}" for value in (one.precision, one.recall, one.f1)]
            table.append([row.given, name, *percent, *(f"{n:,}" for n in (one.correct, one.predicted, one.gold))])
    print_table(f"End to end on {len(corpus.documents):,} documents", table)
    table = [["--min-score", "triplets", "strict P", "R", "F1", "relaxed P", "R", "F1"]]
    for least, strict, relaxed in rows[0].by_score:
        percent = [f"{100 * value:.2f}" for one in (strict, relaxed) for value in (one.precision, one.recall, one.f1)]
        table.append([f"{least:.1f}", f"{strict.predicted:,}", *percent])
    print_table("Triplets of a probability or more, nothing given", table)


class _Reading:
    """What was read and found, and what was not, told on standard error; models are run with a progress bar."""

    def __init__(self, display: Display | None) -> None:
        self.texts = self.problems = self.entities = self.triplets = 0
        self._display = display

    def readable(self, inputs: Iterator[Text | object]) -> Iterator[Text]:
        """The texts among the inputs; of each other one a line is printed."""
        from harness.extraction.inputs import Text, Unreadable

        for one in inputs:
            if isinstance(one, Text):
                yield one
            elif isinstance(one, Unreadable):
                self.problems += 1
                typer.echo(f"error: {' '.join(f'{one.source}: {one.problem}'.split())}", err=True)

    def ask(self, work: Callable[[Observer], Coroutine[Any, Any, Answer]]) -> Answer:
        """What a language model answers about all texts."""
        import asyncio

        from harness.cli.display import chosen_display, make_display

        observer = make_display(chosen_display(self._display, False))
        try:
            return asyncio.run(work(observer))
        finally:
            observer.close()

    def score(self, encoder: EncoderExperiment) -> None:
        """Let an encoder score all texts for a language model."""
        from harness.cli.display import chosen_display
        from harness.cli.run import score_for_a_model

        score_for_a_model(encoder, chosen_display(self._display, False))

    def tell(self, problem: str) -> None:
        """Say that a language model gave no whole answer about some texts."""
        self.problems += 1
        typer.echo(f"error: {problem}", err=True)

    def add(self, entities: int, triplets: int) -> None:
        self.texts += 1
        self.entities += entities
        self.triplets += triplets

    def end(self, out: Path | None) -> None:
        """Say what was found; exit as what could not be read demands."""
        from harness.amounts import amount

        if self.texts:
            where = f", written to {out}" if out else ""
            found = ", ".join(
                (
                    amount(self.texts, "text", "texts"),
                    amount(self.entities, "entity", "entities"),
                    amount(self.triplets, "triplet", "triplets"),
                )
            )
            typer.echo(f"{found}{where}", err=True)
        if self.problems:
            raise typer.Exit(EXIT_SOME_FAILED if self.texts else EXIT_ALL_FAILED)
