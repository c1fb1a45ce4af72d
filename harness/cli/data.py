"""`harness data`: fetch, count and check corpora."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DataDirOption, JsonOption
from harness.label_source import NO_LABELS, LabelSource

if TYPE_CHECKING:
    from harness.datasets.statistics import Statistics

app = typer.Typer(help="Fetch, count and check corpora in DocRED format.", no_args_is_help=True)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A corpus: redocred or fewrel.")],
    target: Annotated[Path | None, typer.Option(help="Folder to fetch into (default: the cache).")] = None,
    base_url: Annotated[str | None, typer.Option(help="Fetch from another address.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; repeatable.")] = None,
) -> None:
    """Download a corpus; every file is verified by its checksum, and a broken download is resumed.

    \b
    Example:
      harness data fetch redocred
    """
    from harness.cli.transfers import transfer_progress
    from harness.datasets.download import fetch as fetch_corpus
    from harness.datasets.registry import corpus_named

    folder = target or corpus_named(name).folder
    with transfer_progress() as progress:
        files = fetch_corpus(name, folder, base_url=base_url, splits=split or None, progress=progress)
    for file in files:
        typer.echo(str(file))


@app.command()
def stats(
    name_or_file: Annotated[str, typer.Argument(help="A corpus such as redocred or sample, or a DocRED-format file.")],
    split: Annotated[str | None, typer.Option(help="train, dev or test.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count documents, entities, pairs and triplets as Table 1 of the LMRC paper does.

    \b
    Examples:
      harness data stats sample
      harness data stats dev_revised.json --json
    """
    from harness.datasets.registry import load_dataset
    from harness.datasets.statistics import statistics

    dataset = load_dataset(name_or_file, split, data_dir)
    counted = statistics(dataset.documents)
    source = LabelSource.merged(dataset.label_sources)
    if as_json:
        typer.echo(json.dumps({**counted.as_dict(), "labels": asdict(source)}))
        return
    mean = counted.per_document
    rows = [
        ("documents", f"{counted.documents:,}"),
        ("sentences", f"{counted.sentences:,} ({mean(counted.sentences):.1f} a document)"),
        (
            "words",
            f"{counted.words:,} ({mean(counted.words):.0f} a document, {counted.longest_document} the longest)",
        ),
        ("entities", f"{counted.entities:,} ({mean(counted.entities):.1f} a document)"),
        ("mentions", f"{counted.mentions:,} ({mean(counted.mentions):.1f} a document)"),
        ("candidate pairs", f"{counted.candidate_pairs:,}"),
        *_label_rows(counted, len(dataset.schema.relations), source),
        ("shared names", f"{counted.shared_names} in {counted.documents_with_shared_names} documents"),
        ("entity types", ", ".join(f"{name} {count:,}" for name, count in counted.entity_types.items())),
    ]
    for label, value in rows:
        typer.echo(f"{label:<16} {value}")


def _label_rows(counted: Statistics, relations: int, source: LabelSource) -> list[tuple[str, str]]:
    """What the labels tell, and who wrote them."""
    if counted.unlabelled_documents:
        who = f"{counted.unlabelled_documents:,} of {counted.documents:,} documents have none"
    else:
        who = source.silver or "gold"
    labelled = counted.labelled_na_pairs
    told = [
        ("NA pairs", f"{counted.na_pairs:,}" + (f" ({labelled:,} of them labelled so)" if labelled else "")),
        ("related pairs", f"{counted.related_pairs:,} ({counted.multi_relation_pairs:,} with several relations)"),
        ("triplets", f"{counted.triplets:,} ({counted.intra_share:.1%} intra-sentence)"),
        ("relations used", f"{counted.relations_used} of {relations}"),
    ]
    return [*(told if counted.unlabelled_documents < counted.documents else ()), ("labels", who)]


@app.command()
def validate(
    file: Annotated[str, typer.Argument(help="A DocRED-format file, or redocred or sample.")],
    split: Annotated[str | None, typer.Option(help="train, dev or test.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Check a file: one line on the first thing wrong in it, or how many documents are fine.

    \b
    Example:
      harness data validate my_corpus.json
    """
    from harness.datasets.registry import load_dataset

    dataset = load_dataset(file, split, data_dir)
    source = LabelSource.merged(dataset.label_sources)
    told = "; not all have labels" if source == NO_LABELS else f"; {source.silver}" if source.silver else ""
    typer.echo(f"{file}: {len(dataset.documents):,} documents, all valid{told}")
