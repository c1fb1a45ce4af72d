"""`harness annotate`: plain text in, entities and relations in DocRED format out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness import strict_json
from harness.cli.options import BatchFileOption, BatchOption, Display, DisplayOption, FailOnErrorOption, JsonOption
from harness.cli.run_options import fields_of_run, with_options_of
from harness.runs.config import OPTIONS, RunConfig
from harness.runs.failures import MOST_FAILED

if TYPE_CHECKING:
    from harness.annotation.execute import AnnotationResult
    from harness.annotation.plan import AnnotationRun
    from harness.cli.run import Batching


@with_options_of(fields_of_run(one for one in OPTIONS.values() if one.annotates))
def annotate(
    fields: dict[str, Any],
    texts: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A .txt file, a folder of them, a .jsonl or .parquet file, or hf://owner/name[@revision].",
        ),
    ],
    out: Annotated[
        list[Path] | None,
        typer.Option(help="The .json, .jsonl or .parquet file to write; repeatable (default: in the results folder)."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(help="Of a data set of the hub, only files that fit a pattern such as 'data/*-00000-*.parquet'."),
    ] = None,
    schema: Annotated[
        str, typer.Option(help="Relations: redocred, a rel_info.json file, or open (named by the model).")
    ] = "redocred",
    prompt: Annotated[str, typer.Option(help="A prompt of the method annotate, or the path of a folder.")] = "annotate",
    constrain: Annotated[
        Literal["closed", "format", "none"] | None,
        typer.Option(help="Default: closed, or format where the schema is open."),
    ] = None,
    min_words: Annotated[int, typer.Option(min=0, help="Leave out shorter texts.")] = 0,
    max_words: Annotated[int | None, typer.Option(min=1, help="Leave out longer texts.")] = None,
    max_repeated: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Leave out texts with a greater share of lines that stood before.")
    ] = 1.0,
    language: Annotated[
        list[str] | None, typer.Option(help="Leave out texts in other languages than these (en, de, zh, ...).")
    ] = None,
    min_entities: Annotated[int, typer.Option(min=0, help="Write no document with fewer entities.")] = 0,
    min_triplets: Annotated[int, typer.Option(min=0, help="Write no document with fewer triplets.")] = 0,
    batch: BatchOption = False,
    batch_file: BatchFileOption = None,
    fail_on_error: FailOnErrorOption = MOST_FAILED,
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the entities, their mentions and their relations in plain texts, and write them in DocRED format.

    The model is asked twice a text. Only whole answers become documents; what was dropped is counted. The
    same command typed again resumes: nothing is asked twice.

    \b
    Examples:
      harness annotate article.txt --model smollm2-135m
      harness annotate articles/ --model gpt-4o-mini --schema open --out corpus/annotated.json --max-cost 0.50
      harness annotate part.parquet --model qwen2.5-72b --schema open --min-words 100 --min-triplets 1
      harness annotate hf://owner/name --file 'sample/*/000_00000.parquet' --language en --limit 1000 \\
          --model qwen2.5-72b --schema open -P reasoning=brief --out corpus/part-0.parquet
    """
    from harness.annotation.languages import codes_of
    from harness.annotation.plan import OPEN, prepare_annotation
    from harness.annotation.texts import TextCollection, TextFilter
    from harness.cli.run import batching, exit_as_failed
    from harness.cli.summary import counts

    level = constrain or ("format" if schema == OPEN else "closed")
    config = RunConfig(**fields, prompt=prompt, dataset=texts, constrain=level)
    batches = batching(batch, batch_file)
    kept = TextFilter(min_words, max_words, max_repeated, codes_of(language or ()))
    fewest = {"entities": min_entities, "triplets": min_triplets}
    annotation = prepare_annotation(config, schema, kept, fewest, file or ())
    if isinstance(annotation.dataset.documents, TextCollection) and (left_out := annotation.dataset.documents.left_out):
        typer.echo(f"left out: {counts(left_out)}", err=True)
    result = _execute(annotation, out or (), display, as_json, batches)
    if as_json:
        typer.echo(strict_json.dumps(result.as_json()))
    else:
        _print(result)
    if result.failed_too_often(fail_on_error):
        exit_as_failed(result.manifest, result.failures)


def _execute(
    experiment: AnnotationRun, out: Sequence[Path], display: Display | None, quiet: bool, batches: Batching | None
) -> AnnotationResult:
    from harness.annotation.execute import annotate as annotate_texts
    from harness.annotation.execute import annotate_in_batches
    from harness.cli.display import chosen_display, make_display

    kind = chosen_display(display, quiet)
    observer = make_display(kind)
    try:
        if batches:
            return asyncio.run(annotate_in_batches(experiment, observer, out, batches.by_hand))
        return asyncio.run(annotate_texts(experiment, observer, out))
    finally:
        observer.close()


def _print(result: AnnotationResult) -> None:
    from harness.cli.summary import adapter_lines, counts, failure_lines, print_lines
    from harness.runs.results import tokens_in_words

    manifest = result.manifest
    written = manifest.written
    lines = [("documents", f"{written['documents']:,} of {manifest.documents.asked:,} written")]
    for label in ("dropped", "rejects", "details"):
        if numbers := getattr(manifest, label):
            lines.append((label, counts(numbers)))
    lines += adapter_lines(manifest)
    lines += failure_lines(result.failures)
    lines += [(name, f"{count:,}") for name, count in written.items() if name != "documents"]
    lines += [
        ("requests", f"{manifest.usage.requests:,}"),
        ("tokens", tokens_in_words(manifest.usage)),
        ("written to", ", ".join(map(str, result.files))),
        ("records in", str(result.folder.path)),
    ]
    print_lines(lines)
