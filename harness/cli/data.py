"""`harness data`: fetch, count and check corpora."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness.amounts import amount
from harness.cli.data_counts import STATS_HELP, VALIDATE_HELP, data_stats, data_validate
from harness.cli.options import DataDirOption, JsonOption
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.datasets.corpus import Corpus
    from harness.types import Document, RelationSchema

app = typer.Typer(help="Fetch, count, convert and check corpora.", no_args_is_help=True)

CorpusArgument = Annotated[str, typer.Argument(help="A corpus of `harness data list`.")]


@app.command("list")
def list_corpora(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the corpora that are known by name, and which of their splits are here.

    \b
    Examples:
      harness data list
      harness data list --data-dir data
    """
    from harness.datasets.registry import CORPORA

    if as_json:
        typer.echo(json.dumps([_row(corpus, data_dir) for corpus in CORPORA.values()]))
        return
    for corpus in CORPORA.values():
        here = _row(corpus, data_dir)["here"]
        where = f"here: {', '.join(here)}" if here else "not here"
        typer.echo(f"{corpus.name:<9} {corpus.language}  {corpus.source} ({where})")


@app.command()
def show(
    name: CorpusArgument,
    document: Annotated[str | None, typer.Option(help="Show the document of this title.")] = None,
    split: Annotated[str | None, typer.Option(help="The split of --document.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is known of a corpus: files, form, home, licence, entity types; or one of its documents.

    \b
    Examples:
      harness data show cdr
      harness data show cdr --data-dir data/cdr
      harness data show cdr --split dev --document 7542793 --data-dir data/cdr
    """
    from harness.datasets.registry import corpus_named, load_dataset

    if document is not None:
        dataset = load_dataset(name, split, data_dir)
        found = next((one for one in dataset.documents if one.title == document), None)
        if found is None:
            raise InputError(f"{dataset.name} {dataset.split} has no document {document!r}; check the title")
        _show_document(found, dataset.schema, as_json)
        return
    corpus = corpus_named(name)
    row = _row(corpus, data_dir)
    if as_json:
        typer.echo(json.dumps(row))
        return
    for key, value in row.items():
        if isinstance(value, dict):
            for inner, content in value.items():
                if key == "files" and inner not in corpus.listed_splits:
                    continue
                typer.echo(f"{key:<16} {inner}: {_in_words(key, content, corpus)}")
        elif value:
            typer.echo(f"{key:<16} {', '.join(value) if isinstance(value, list) else value}")


def _row(corpus: Corpus, data_dir: Path | None = None) -> dict[str, Any]:
    """A corpus as JSON values; its files are in ``data_dir``, if a user names that."""
    folder = corpus.folder_in(data_dir)
    return {
        "name": corpus.name,
        "source": corpus.source,
        "licence": corpus.licence,
        "language": corpus.language,
        "format": corpus.format,
        "files": {split: " or ".join(file.names) for split, file in corpus.splits.items()},
        "labels": {split: file.labelled_by for split, file in corpus.splits.items() if file.labelled_by != "human"},
        "candidates": {split: file.candidates for split, file in corpus.splits.items() if file.candidates != "all"},
        "relations": corpus.relations.name,
        "entity_types": list(corpus.entity_types),
        "fetched_from": "; or ".join(one for one in (corpus.url, corpus.page) if one),
        "folder": str(folder),
        "here": [name for name in corpus.listed_splits if corpus.splits[name].path_in(folder).is_file()],
        "published": {split: {**one.counts, "source": one.source} for split, one in corpus.published.items()},
        "notes": corpus.notes,
    }


def _in_words(key: str, content: Any, corpus: Corpus) -> str:
    """What a row holds of one split, for people: which pairs are candidates, and a paper's counts."""
    if key == "candidates":
        types = corpus.arguments
        of_types = f"all pairs of a {types.head} with a {types.tail}" if types else "all pairs"
        return {"typed": of_types, "labelled": "the pairs that the file labels, also those labelled as unrelated"}[
            content
        ]
    if key == "published":
        counts = (f"{name.replace('_', ' ')} {count:,}" for name, count in content.items() if name != "source")
        return f"{', '.join(counts)} ({content['source']})"
    return str(content)


def _show_document(document: Document, schema: RelationSchema, as_json: bool) -> None:
    from harness.datasets.docred_output import as_docred
    from harness.spacing import Spacing

    if as_json:
        typer.echo(json.dumps(as_docred(document, schema.none[0] if schema.none else "")))
        return
    spacing = Spacing.of(document.sentences)
    for number, line in enumerate(spacing.spaced(document.sentences)):
        typer.echo(f"{number:>3}  {''.join(line).strip()}")
    for number, entity in enumerate(document.entities):
        typer.echo(f"{number:>3}  {entity.type}  {'; '.join(entity.names)}")
    if document.episode:
        typer.echo(f"asked about {', '.join(schema.by_id[one].name for one in document.episode.relations)}")
        for one in document.episode.support:
            typer.echo(f"support: {one.title} ({len(one.labels)} labels)")
    for label in document.labels:
        head, relation, tail = label.triplet
        names = (document.entities[one].name for one in (head, tail))
        typer.echo(f"{head:>3} {relation} {tail}  " + f" | {schema.by_id[relation].name} | ".join(names))


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="A file of another form, or a folder of DWIE's or brat's annotations.")
    ],
    target: Annotated[Path, typer.Argument(help="The DocRED-format file to write; rel_info.json goes beside it.")],
    corpus: Annotated[str | None, typer.Option(help="Apply the conventions of this corpus, such as cdr.")] = None,
    mesh_tree: Annotated[
        Path | None,
        typer.Option(help="CDR's hypernym filter, by this table of MeSH tree numbers (PubTator files only)."),
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Of DWIE, the documents with this tag: train or test.")] = None,
    format: Annotated[
        Literal["docred", "hacred", "label-studio", "pairs", "pubtator", "docbin", "scierc"] | None,
        typer.Option(help="The form of the file, where its name does not tell."),
    ] = None,
) -> None:
    """Rewrite a corpus of another form in DocRED's format.

    \b
    Examples:
      harness data convert CDR_TestSet.PubTator.txt cdr/test.json --corpus cdr
      harness data convert CDR_TestSet.PubTator.txt cdr/test.json --corpus cdr --mesh-tree 2017MeshTree.txt
      harness data convert DWIE/data/annos_with_content dwie/test.json --tag test
      harness data convert export.json mine/train.json --format label-studio
      harness data convert brat_folder mine/train.json
    """
    from harness.datasets.conversion import convert as convert_file
    from harness.datasets.registry import corpus_named

    count = convert_file(source, target, corpus_named(corpus) if corpus else None, mesh_tree, tag, format)
    typer.echo(f"{target}: {amount(count, 'document')}")


@app.command()
def fetch(
    name: Annotated[
        str, typer.Argument(help="redocred, fewrel, or a data set of the hub: hf://owner/name[@revision].")
    ],
    target: Annotated[Path | None, typer.Option(help="Folder to fetch into (default: the cache).")] = None,
    base_url: Annotated[str | None, typer.Option(help="Fetch from another address.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; repeatable.")] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(help="Of a data set of the hub, only the files that fit this pattern; repeatable."),
    ] = None,
) -> None:
    """Download a corpus; every file is verified by its checksum, and a broken download is resumed.

    \b
    Examples:
      harness data fetch redocred
      harness data fetch hf://owner/name --target data/name
      harness data fetch hf://owner/name --file 'sample/*/000_00000.parquet'
    """
    from harness.cli.transfers import transfer_progress
    from harness.datasets.download import fetch as fetch_corpus
    from harness.datasets.hub import PREFIX, fetch_from_hub
    from harness.datasets.registry import corpus_named

    if name.startswith(PREFIX):
        if base_url or split:
            raise InputError(
                f"{name}: --base-url and --split are of corpora known by name; $HF_ENDPOINT names a mirror"
            )
        paths, _, commit = fetch_from_hub(name, target, file or ())
        for path in paths:
            typer.echo(str(path))
        typer.echo(f"commit {commit}", err=True)
        return
    folder = target or corpus_named(name).folder
    if file:
        raise InputError(f"{name}: --file is of data sets of the hub; choose splits with --split")
    with transfer_progress() as progress:
        files = fetch_corpus(name, folder, base_url=base_url, splits=split or None, progress=progress)
    for fetched in files:
        typer.echo(str(fetched))


@app.command()
def subset(
    corpus: Annotated[str, typer.Argument(help="A corpus, NAME:SPLIT, or a file.")],
    target: Annotated[Path, typer.Argument(help="The DocRED-format file to write; rel_info.json goes beside it.")],
    unseen: Annotated[int | None, typer.Option("-m", "--unseen", min=1, help="Draw so many relations.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw, which is that of `harness train unseen`.")] = 0,
    relations: Annotated[
        Path | None, typer.Option(help="A file with the relations of a published split, by id or name.")
    ] = None,
    pairs_given: Annotated[
        bool | None,
        typer.Option(help="Only labelled pairs are candidates (default: for FewRel, whose pairs are given)."),
    ] = None,
    seen: Annotated[
        bool, typer.Option("--seen", help="Instead the documents that state none of them, with all other relations.")
    ] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Write the documents that state some relations, with these only: zero-shot tests on unseen relations.

    \b
    Examples:
      harness data subset fewrel m5-seed-0/test.json -m 5 --data-dir data/fewrel
      harness data subset test_unseen.json genrdk/test.json --relations meta_m5_s5/unseenrel2id_info.json
      harness data subset redocred:train seen/train.json --relations meta_m5_s5/unseenrel2id_info.json --seen
      harness run --model smollm2-135m --prompt choice --candidates all --dataset m5-seed-0/test.json
    """
    from harness.datasets.docred_output import document_output, write_schema
    from harness.datasets.registry import CORPORA, SENTENCE_FORMS, load_split
    from harness.datasets.relation_table import table_beside
    from harness.datasets.subset import (
        drawn_relations,
        listed_relations,
        with_listed_names,
        with_relations,
        without_relations,
    )

    if (unseen is None) == (relations is None):
        raise InputError("say which relations: a number with -m, or a file with --relations")
    dataset = load_split(corpus, data_dir)
    if dataset.annotated:
        raise InputError(
            f"{corpus}: one file cannot say which relations each of its documents tells of, and these corpora have "
            "other ones: write a file of each"
        )
    if dataset.in_episodes:
        raise InputError(f"{corpus}: a file of documents cannot hold episodes; they are read as they are")
    if relations is not None:
        dataset = replace(dataset, schema=with_listed_names(dataset.schema, relations))
        chosen = listed_relations(relations, dataset.schema)
    else:
        chosen = drawn_relations(dataset.schema.by_id, unseen or 0, seed, dataset.name)
    known = CORPORA.get(dataset.name)
    given = pairs_given if pairs_given is not None else known is not None and known.format in SENTENCE_FORMS
    kept = without_relations(dataset, chosen) if seen else with_relations(dataset, chosen, pairs_given=given)
    if table := table_beside(target):
        raise InputError(f"{table}: is there already; choose a folder of its own for each choice of relations")
    if not kept.documents or not kept.schema.relations:
        what = "document that states none of them" if seen else "document states one of them"
        raise InputError(f"{corpus}: no {what if kept.schema.relations else 'relation is left'}; choose others")
    none = kept.schema.none[0] if kept.schema.none else ""
    with document_output(target) as output:
        for document in kept.documents:
            output.write(document, none)
    write_schema(target.with_name("rel_info.json"), kept.schema)
    relations_kept = kept.schema.relations
    names = ", ".join(relation.name for relation in relations_kept[:15]) + (", ..." if len(relations_kept) > 15 else "")
    typer.echo(f"{target}: {amount(output.count, 'document')} of {amount(len(relations_kept), 'relation')}: {names}")
    stated = {label.triplet.relation for document in kept.documents for label in document.labels}
    if missing := [one.name for one in relations_kept if one.id not in stated]:
        typer.echo(
            f"note: no document states {', '.join(missing[:15])}{', ...' if len(missing) > 15 else ''}", err=True
        )


app.command("stats", help=STATS_HELP)(data_stats)
app.command("validate", help=VALIDATE_HELP)(data_validate)
