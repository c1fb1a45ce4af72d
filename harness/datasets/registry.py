"""The way from a corpus' name or a file path to a ``Dataset``."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from harness.datasets.corpora import CORPORA
from harness.datasets.corpus import PACKAGE, Corpus, CorpusFile, Format
from harness.datasets.docred import DocumentFile, sha256_of
from harness.datasets.episodes import asked_in, draw_episodes, read_episodes
from harness.datasets.formats import READERS, format_of, read_corpus_file
from harness.datasets.joined import AND, joined
from harness.datasets.parquet import schema_in
from harness.datasets.relation_table import read_schema, schema_beside
from harness.datasets.splits import Part, split_documents
from harness.datasets.subset import drawn_relations, testing, with_relations
from harness.errors import InputError
from harness.json_files import whole_value
from harness.label_source import HUMAN, LabelSource
from harness.types import Dataset, Document, Relation, RelationSchema

SENTENCE_FORMS: tuple[Format, ...] = ("fewrel", "sentences")
"""Forms that hold their relations with their sentences."""

__all__ = [
    "CORPORA",
    "DATA_SUFFIXES",
    "PACKAGE",
    "Corpus",
    "CorpusFile",
    "annotated_by",
    "corpus_named",
    "entity_types_of",
    "load_dataset",
    "load_split",
    "part_of",
    "sentences_in",
]

DATA_SUFFIXES = (".json", ".jsonl", ".gz", ".data", ".PubTator", ".PubTator.txt", ".spacy", ".parquet")
"""By these a name is that of a file, and a file one that may hold documents or predictions."""


def corpus_named(name: str) -> Corpus:
    """The row of that name; InputError with the nearest known name otherwise."""
    if name in CORPORA:
        return CORPORA[name]
    if name.startswith("hf:"):
        raise InputError(
            f"{name}: a data set of the hub is fetched first: `harness data fetch hf://owner/name --target FOLDER`. "
            "Then give one of its files"
        )
    corpus, _, split = name.partition(":")
    if corpus in CORPORA and split in CORPORA[corpus].splits:
        raise InputError(f"{name}: one corpus is named here, and its split apart: {corpus} with --split {split}")
    nearest = difflib.get_close_matches(name.lower(), CORPORA, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(CORPORA)}"
    raise InputError(f"unknown dataset {name!r}: {hint} (or give the path of a DocRED-format .json file)")


def part_of(name: str, split: str) -> Part | None:
    """The part of a file that a split is; None for a whole file, and for what is not in the table."""
    corpus = CORPORA.get(name)
    return corpus.splits[split].part if corpus and split in corpus.splits else None


def load_split(name: str, data_dir: Path | None = None) -> Dataset:
    """The dataset of ``NAME:SPLIT``, of a corpus' default split, or of a file; errors as of ``load_dataset``.

    Several of them with ``+`` between are one, as of ``joined``.
    """
    if len(names := names_in(name)) > 1:
        return joined([load_split(one, data_dir) for one in names], names)
    if not name.strip():
        raise InputError(f"a corpus or file has no name: write NAME:SPLIT or a path, on both sides of a {AND}")
    corpus, _, split = name.partition(":")
    return load_dataset(corpus, split or None, data_dir) if corpus in CORPORA else load_dataset(name)


def names_in(name: str) -> list[str]:
    """The corpora or files of ``A+B``; a file whose own name has a ``+`` is one."""
    return [name] if Path(name).exists() else name.split(AND)


def entity_types_of(name: str) -> tuple[str, ...]:
    """The entity types of the corpora of ``NAME`` or ``NAME:SPLIT``, with ``+`` between them; DocRED's of any other."""
    types: dict[str, None] = {}
    for one in name.split(AND):
        corpus = CORPORA.get(one.partition(":")[0])
        types |= dict.fromkeys((corpus and corpus.entity_types) or CORPORA["redocred"].entity_types)
    return tuple(types)


def load_dataset(
    name_or_path: str,
    split: str | None = None,
    data_dir: Path | str | None = None,
    each: Callable[[Document], object] | None = None,
) -> Dataset:
    """Load one split of a corpus of the table, or a DocRED-format file; every document is validated here.

    ``data_dir`` holds the files of a downloaded corpus in place of the cache, itself or in a folder of the corpus'
    name; packaged corpora and file paths do not use it. For a path, ``split`` is only the name to record (default
    "all"), and the schema is the table beside the file (``relation_table.RELATION_TABLES``), or else the relation ids
    found in it, each its own name. ``each`` is called with every document while it is read for the first time.
    Raises InputError for unknown names and splits, missing files, files that are not valid, and for several corpora.
    """
    data_dir = Path(data_dir) if data_dir else None
    refuse_several(name_or_path)
    if name_or_path not in CORPORA and _looks_like_path(name_or_path) and not name_or_path.startswith("hf:"):
        return _load_file(Path(name_or_path), split, each)
    corpus = corpus_named(name_or_path)
    split = split or corpus.default_split
    if split not in corpus.splits:
        raise InputError(f"{corpus.name} has no split {split!r}; it has {', '.join(corpus.listed_splits)}")
    file = corpus.splits[split]
    folder = corpus.folder_in(data_dir, file)
    path, relations = file.path_in(folder), corpus.relation_table(folder)
    if file.packaged_relations:
        relations = PACKAGE / file.packaged_relations
    form = file.format or corpus.format
    for needed in (path, *((relations,) if form != "sentences" else ())):
        if not corpus.is_packaged and not needed.exists():
            of = file if needed == path else corpus.relations
            fetched = corpus.url and (of.blob_id or not corpus.page)
            get = f"run `harness data fetch {corpus.name}`" if fetched else f"get it from {corpus.page}"
            names = " or ".join(of.names)
            raise InputError(f"{needed}: no such file; {get}, or name the folder that holds {names} with --data-dir")
    schema: RelationSchema
    documents: Collection[Document]
    source = LabelSource(file.labelled_by)
    sources: Mapping[LabelSource, str] = {source: ""}
    checksum = sha256_of(path)
    if sentences := sentences_in(corpus, path, relations):
        schema, documents = sentences
    elif form == "episodes":
        table, counted = read_schema(relations), folder / file.documents
        documents = tuple(read_episodes(path, counted, table, source))
        schema = asked_in(table, documents)
        if counted.is_file():
            checksum = hashlib.sha256(f"{checksum} {sha256_of(counted)}".encode()).hexdigest()
    else:
        schema = read_schema(relations)
        documents = DocumentFile(
            path, schema, source, each, lambda: read_corpus_file(path, corpus, file.candidates, schema, source)
        )
        sources = documents.label_sources
    if file.part is not None:
        documents = split_documents(list(documents)).part(file.part)
    if file.episodes:
        documents = tuple(draw_episodes(list(documents), *file.episodes, of=f"{corpus.name} {split}"))
        schema = asked_in(schema, documents)
    dataset = Dataset(corpus.name, split, schema, documents, checksum, sources)
    if file.drawn:
        count, seed = file.drawn
        if count > len(schema.relations):
            raise InputError(f"{path}: holds {len(schema.relations)} relations, of which {split} draws {count}")
        chosen = drawn_relations(schema.by_id, count, seed, corpus.name)
        return with_relations(dataset, chosen, pairs_given=True)
    return replace(dataset, documents=testing(documents, schema)) if file.tests_unseen else dataset


def refuse_several(name: str) -> None:
    """Raise InputError where several corpora or files are named, ``A+B``, and one is to be."""
    first, *others = names_in(name)
    if others:
        raise InputError(
            f"{name}: one corpus or file is named here, and only trainings, `harness data` and `harness schema new` "
            f"join several: take {first.strip() or 'the first'} and {', '.join(others)} one after the other; `harness "
            "leaderboard --across` shows runs over several in one table"
        )


def sentences_in(
    corpus: Corpus, path: Path, relations: Path | None = None
) -> tuple[RelationSchema, Collection[Document]] | None:
    """The relations and documents of a corpus' file, where it holds sentences with given pairs; None where it does not.

    ``relations`` is the table of their names, by default the one beside the file.
    """
    # A path in the working folder has no slash of its own.
    name = f"/{path.as_posix().removesuffix('.gz')}"
    file = next((one for one in corpus.splits.values() if name.endswith(f"/{one.name}")), None)
    form = (file and file.format) or corpus.format
    if form not in SENTENCE_FORMS:
        return None
    from harness.datasets.fewrel import read_fewrel
    from harness.datasets.sentences import read_sentences

    table = relations or path.with_name(corpus.relations.name)
    labelled_by = LabelSource(file.labelled_by if file else "human")
    return read_fewrel(path, table) if form == "fewrel" else read_sentences(path, table, labelled_by)


def _looks_like_path(name: str) -> bool:
    return name.endswith(DATA_SUFFIXES) or os.sep in name or Path(name).exists()


def _load_file(path: Path, split: str | None, each: Callable[[Document], object] | None) -> Dataset:
    labelled_by = annotated_by(path)
    form = format_of(path)
    schema = schema_beside(path) or (schema_in(path) if form == "parquet" and path.is_file() else None)
    reader = READERS[form]
    documents = DocumentFile(path, schema, labelled_by, each, lambda: reader(path, schema, labelled_by))
    if schema is None:
        schema = RelationSchema(tuple(Relation(id, id) for id in documents.relation_ids))
    name = Path(path.name.removesuffix(".gz")).stem
    return Dataset(name, split or "all", schema, documents, sha256_of(path), documents.label_sources)


def annotated_by(path: Path) -> LabelSource:
    """The model that annotated a file before such files said so themselves: the manifest beside it tells."""
    try:
        match whole_value(path.with_name("manifest.json"), "the manifest"):
            case {"written": dict(), "question": {"model": {"name": str(name)}}}:
                return LabelSource("model", name)
    except InputError:
        pass  # No manifest, or none of an annotation.
    return HUMAN
