"""`harness data stats` and `harness data validate`: what a corpus, or several joined, hold."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.amounts import amount
from harness.cli.options import DataDirOption, JsonOption
from harness.errors import InputError
from harness.label_source import NO_LABELS, LabelSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.datasets.corpus import Published
    from harness.datasets.statistics import Statistics
    from harness.types import Dataset

STATS_HELP = """Count documents, entities, pairs and triplets as Table 1 of LMRC's paper does, beside published counts.

Several corpora with + between are counted as a training joins them.

\b
Examples:
  harness data stats sample
  harness data stats cdr --split train --data-dir data/cdr
  harness data stats dev_revised.json --json
  harness data stats redocred:train+cdr:train --data-dir data
"""
VALIDATE_HELP = """Check a file: one line on the first thing wrong in it, or how many documents are fine.

What is valid and may still be a mistake follows, a line for each kind. Several corpora with + between are checked one
by one, and then as a training joins them.

\b
Examples:
  harness data validate my_corpus.json
  harness data validate redocred:train+cdr:train --data-dir data
"""

CorporaArgument = Annotated[
    str, typer.Argument(help="A corpus, NAME:SPLIT, a DocRED-format file, or several with + between.")
]
SplitOption = Annotated[str | None, typer.Option(help="train, dev or test.")]


def data_stats(
    name_or_file: CorporaArgument,
    split: SplitOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    from harness.datasets.episodes import episode_counts
    from harness.datasets.registry import CORPORA
    from harness.datasets.statistics import statistics

    parts, dataset = _loaded(name_or_file, split, data_dir)
    counted = statistics(dataset.documents)
    episodes = episode_counts(dataset.documents) if dataset.in_episodes else {}
    source = LabelSource.merged(dataset.label_sources)
    corpus = CORPORA.get(dataset.name) if name_or_file.partition(":")[0] in CORPORA else None
    published = corpus and corpus.published.get(dataset.split.removesuffix("-filtered"))
    if as_json:
        content = {**counted.as_dict(), **episodes, "labels": asdict(source)}
        if parts:
            content["joined"] = {name: _numbers(one) for name, one in parts.items()}
        typer.echo(json.dumps({**content, **({"published": asdict(published)} if published else {})}))
        return
    mean = counted.per_document
    rows = [
        ("documents", f"{counted.documents:,}"),
        *([("joined of", _parts_in_words(parts))] if parts else []),
        ("sentences", f"{counted.sentences:,} ({mean(counted.sentences):.1f} a document)"),
        (
            "words",
            f"{counted.words:,} ({mean(counted.words):.0f} a document, {counted.longest_document} the longest)",
        ),
        ("entities", f"{counted.entities:,} ({mean(counted.entities):.1f} a document)"),
        ("mentions", f"{counted.mentions:,} ({mean(counted.mentions):.1f} a document)"),
        ("candidate pairs", f"{counted.candidate_pairs:,}"),
        *_label_rows(counted, len(dataset.schema.relations), source),
        *([("episodes", _in_words(episodes))] if episodes else []),
        ("shared names", f"{counted.shared_names} in {counted.documents_with_shared_names} documents"),
        ("entity types", ", ".join(f"{name} {count:,}" for name, count in counted.entity_types.items())),
        *(_published_rows(counted, published) if published else []),
    ]
    for label, value in rows:
        typer.echo(f"{label:<16} {value}")


def data_validate(file: CorporaArgument, split: SplitOption = None, data_dir: DataDirOption = None) -> None:
    from harness.datasets.remarks import remarks

    parts, dataset = _loaded(file, split, data_dir)
    for name, one in parts.items():
        typer.echo(f"{name}: {_valid(one)}")
    again = sum(len(one.documents) for one in parts.values()) - len(dataset.documents) if parts else 0
    typer.echo(f"{file}: {_valid(dataset)}" + (f"; {again:,} stand in several, and count once" if again else ""))
    for line in remarks(dataset.documents, dataset.schema):
        typer.echo(f"  {line}")


def _loaded(name: str, split: str | None, data_dir: Path | None) -> tuple[Mapping[str, Dataset], Dataset]:
    """What is named, and before it its parts by their names where it is several.

    Raises InputError for a split beside several names.
    """
    from harness.datasets.joined import joined
    from harness.datasets.registry import load_dataset, load_split, names_in

    if len(names := names_in(name)) == 1:
        return {}, load_split(name, data_dir) if split is None else load_dataset(name, split, data_dir)
    if split is not None:
        raise InputError(f"--split {split}: of several corpora each is named with its split, as in cdr:{split}")
    parts = {one: load_split(one, data_dir) for one in names}
    return parts, joined(list(parts.values()), list(parts))


def _valid(dataset: Dataset) -> str:
    source = LabelSource.merged(dataset.label_sources)
    told = "; not all have labels" if source == NO_LABELS else f"; {source.silver}" if source.silver else ""
    return f"{amount(len(dataset.documents), 'document')}, all valid{told}"


def _numbers(dataset: Dataset) -> dict[str, int]:
    return {"documents": len(dataset.documents), "relations": len(dataset.schema.relations)}


def _parts_in_words(parts: Mapping[str, Dataset]) -> str:
    return ", ".join(
        f"{name} ({len(one.documents):,}, {amount(len(one.schema.relations), 'relation')})"
        for name, one in parts.items()
    )


def _evidence_in_words(counted: Statistics) -> str:
    sentences = counted.evidence_sentences / counted.labels_with_evidence
    return f"{counted.labels_with_evidence:,} of {counted.stated_labels:,} labels, {sentences:.1f} sentences each"


def _in_words(episodes: Mapping[str, int]) -> str:
    count = episodes["episodes"]
    support, relations = (episodes[name] / count for name in ("support_documents", "asked_relations"))
    return f"{count:,}, each with {support:.3g} support documents and {relations:.2f} relations"


def _label_rows(counted: Statistics, relations: int, source: LabelSource) -> list[tuple[str, str]]:
    """What the labels tell, and who wrote them."""
    if counted.unlabelled_documents:
        who = f"{counted.unlabelled_documents:,} of {counted.documents:,} documents have none"
    else:
        who = source.silver or "gold"
    labelled = counted.labelled_na_pairs
    stated = counted.stated_labels - counted.triplets
    told = [
        ("NA pairs", f"{counted.na_pairs:,}" + (f" ({labelled:,} of them labelled so)" if labelled else "")),
        ("related pairs", f"{counted.related_pairs:,} ({counted.multi_relation_pairs:,} with several relations)"),
        ("triplets", f"{counted.triplets:,} ({counted.intra_share:.1%} intra-sentence)"),
        *([("labels stated", f"{counted.stated_labels:,}, {stated:,} of them repeat another")] if stated else []),
        ("relations used", f"{counted.relations_used} of {relations}"),
        *([("evidence", _evidence_in_words(counted))] if counted.labels_with_evidence else []),
    ]
    return [*(told if counted.unlabelled_documents < counted.documents else ()), ("labels", who)]


def _published_rows(counted: Statistics, published: Published) -> list[tuple[str, str]]:
    """The counts of a paper beside ours."""
    ours = counted.as_dict()
    told = [
        f"{name.replace('_', ' ')} {count:,}" + ("" if ours[name] == count else f" (here {ours[name]:,})")
        for name, count in published.counts.items()
        if ours[name] is not None
    ]
    agree = all(ours[name] in (count, None) for name, count in published.counts.items())
    rows = [("published", f"{', '.join(told)}: {'as here' if agree else 'not all as here'} ({published.source})")]
    return [*rows, *([("", published.note)] if published.note else [])]
