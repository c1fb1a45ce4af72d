"""`harness extract`: one's own texts in, entities and relations out."""

from __future__ import annotations

import itertools
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
    typer_option,
)
from harness.errors import InputError
from harness.runs.config import OPTIONS, RunConfig

if TYPE_CHECKING:
    from harness.extraction.inputs import Text
    from harness.extraction.pipeline import Extractor
    from harness.runs.execute import Observer

EXIT_SOME_FAILED, EXIT_ALL_FAILED = 1, 2


def extract(
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
    prompt: Annotated[str, typer.Option(help="With a language model: the prompt that asks for relations.")] = "hrt",
    base_url: Annotated[str | None, typer_option(OPTIONS["base_url"])] = None,
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
      harness extract --dataset redocred --split dev-report --score
    """
    from contextlib import ExitStack

    from harness.extraction.entities import EntitiesByTitle
    from harness.extraction.inputs import read_inputs
    from harness.extraction.llm import entities_by_llm, extract_by_llm
    from harness.extraction.plan import NOTHING, ExtractionConfig, extractor_of, finder_model, is_llm
    from harness.extraction.writers import format_of, writer
    from harness.models import given_base_url

    if score != (dataset is not None) or bool(inputs) == score:
        raise InputError("name INPUT files to extract from, or --dataset CORPUS --score and no INPUT")
    form = format_of(kind, out, explain=explain)
    config = ExtractionConfig(
        entities, relations, schema, min_score, labels=tuple(entity_type or ()), options=key_values(option, "-M")
    )
    reading = _Reading()
    address = given_base_url(relations, base_url)
    by_llm = is_llm(relations, address)
    finder = finder_model(entities, relations, base_url)
    if dataset is not None:
        if by_llm or finder:
            raise InputError("--score is for finders and encoders; `harness run` scores language models")
        _score(extractor_of(config), dataset, split, data_dir, as_json)
        return
    # Where a language model is asked, -M are its options.
    config = replace(config, options={}) if by_llm or finder else config
    known = EntitiesByTitle({}) if finder else None
    extractor = extractor_of(replace(config, relations=NOTHING) if by_llm else config, known)
    run = RunConfig(relations, prompt, base_url=address, results=results, model_options=key_values(option, "-M"))
    texts = reading.readable(read_inputs(inputs or ()))
    with ExitStack() as stack:
        writers = [stack.enter_context(writer(form, out, extractor.schema, merge=merge, explain=explain))]
        if html is not None:
            from harness.extraction.page import page_writer

            writers.append(stack.enter_context(page_writer(html, extractor.schema, relations)))
        # A language model is asked about all of them at once.
        held = list(texts) if by_llm or finder else []
        if finder and held:
            asking = replace(run, model=finder, base_url=given_base_url(finder, base_url))
            found, problem = _ask(lambda observer: entities_by_llm(held, asking, observer), display)
            reading.tell(problem)
            extractor = replace(extractor, entities=found)
        if by_llm and held:
            asked = replace(extractor, system=relations)
            outcomes, problem = _ask(lambda observer: extract_by_llm(asked, held, run, observer), display)
            reading.tell(problem)
        else:
            outcomes = extractor.extract(itertools.chain(held, texts))
        for outcome in outcomes:
            for one in writers:
                one.write(outcome)
            reading.add(len(outcome.extracted.entities), len(outcome.extracted.relations))
    reading.end(out)


Answer = TypeVar("Answer")


def _ask(ask: Callable[[Observer], Coroutine[Any, Any, Answer]], display: Display | None) -> Answer:
    """What a language model answers about all texts, with a progress bar."""
    import asyncio

    from harness.cli.display import chosen_display, make_display

    observer = make_display(chosen_display(display, False))
    try:
        return asyncio.run(ask(observer))
    finally:
        observer.close()


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
    """What was read and found, and what was not, told on standard error."""

    def __init__(self) -> None:
        self.texts = self.problems = self.entities = self.triplets = 0

    def readable(self, inputs: Iterator[Text | object]) -> Iterator[Text]:
        """The texts among the inputs; of each other one a line is printed."""
        from harness.extraction.inputs import Text, Unreadable

        for one in inputs:
            if isinstance(one, Text):
                yield one
            elif isinstance(one, Unreadable):
                self.problems += 1
                typer.echo(f"error: {' '.join(f'{one.source}: {one.problem}'.split())}", err=True)

    def tell(self, problem: str) -> None:
        """Say that a language model gave no whole answer about some texts."""
        if problem:
            self.problems += 1
            typer.echo(f"error: {problem}", err=True)

    def add(self, entities: int, triplets: int) -> None:
        self.texts += 1
        self.entities += entities
        self.triplets += triplets

    def end(self, out: Path | None) -> None:
        """Say what was found; exit as what could not be read demands."""
        if self.texts:
            where = f", written to {out}" if out else ""
            texts = "1 text" if self.texts == 1 else f"{self.texts:,} texts"
            typer.echo(f"{texts}, {self.entities:,} entities, {self.triplets:,} triplets{where}", err=True)
        if self.problems:
            raise typer.Exit(EXIT_SOME_FAILED if self.texts else EXIT_ALL_FAILED)
