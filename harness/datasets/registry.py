"""The table of known corpora, and the way from a name or a file path to a ``Dataset``."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.datasets.docred import DocumentFile, sha256_of
from harness.datasets.relation_table import read_schema, schema_beside
from harness.datasets.splits import Part, split_documents
from harness.errors import InputError
from harness.json_files import whole_value
from harness.label_source import HUMAN, LabelKind, LabelSource
from harness.paths import cache_dir
from harness.types import Dataset, Document, Relation, RelationSchema

PACKAGE = Path(__file__).resolve().parent
DATA_SUFFIXES = (".json", ".jsonl", ".gz")
"""By these a name is that of a file, and a file one that may hold documents or predictions."""


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """A file of a corpus. ``blob_id`` is its git blob id (SHA-1 of ``blob <size>``, a NUL, the content).

    ``part`` names the documents of the file that make the split: those that encoders train on, choose by or
    report on where this one file serves for all three; None: all of them. ``labelled_by`` says who wrote the labels.
    """

    name: str
    blob_id: str = ""
    part: Part | None = None
    labelled_by: LabelKind = "human"


_REDOCRED_DEV = CorpusFile("dev_revised.json", "56c7700aaa9a6f9b1c99f0cdf0b576890fddcadc")


@dataclass(frozen=True)
class Corpus:
    """A row of the table: files by split and their format, the relation table, licence and origin.

    ``url`` is the folder that the files are fetched from, and ``packaged_relations`` the copy of the relation
    table inside the package (else it is fetched too); a corpus without ``url`` is itself packaged, in the folder
    of its name. ``url_variable`` is the environment variable that replaces ``url``.
    """

    name: str
    splits: Mapping[str, CorpusFile]
    default_split: str
    relations: CorpusFile
    licence: str
    source: str
    url: str = ""
    url_variable: str = ""
    packaged_relations: str = ""
    format: Literal["docred", "fewrel"] = "docred"

    @property
    def folder(self) -> Path:
        """Where the files are unless the user says otherwise: the cache, or the package."""
        return cache_dir() / self.name if self.url else PACKAGE / self.name


CORPORA: Mapping[str, Corpus] = {
    "redocred": Corpus(
        name="redocred",
        splits={
            "train": CorpusFile("train_revised.json", "1ba485adf8e4cb789c441de2f6fe41de95690caa"),
            "dev": _REDOCRED_DEV,
            "test": CorpusFile("test_revised.json", "f59191a3f954ee623ed67cb5740a6e1aedd13a0b"),
            "dev-train": replace(_REDOCRED_DEV, part="train"),
            "dev-choose": replace(_REDOCRED_DEV, part="choose"),
            "dev-report": replace(_REDOCRED_DEV, part="report"),
        },
        default_split="dev",
        relations=CorpusFile("rel_info.json", "9ef6fb9677cd51183b540eae69b3ce489b837055"),
        licence="MIT",
        source="Tan et al. (2022), Revisiting DocRED, EMNLP; github.com/tonytan48/Re-DocRED",
        url="https://raw.githubusercontent.com/tonytan48/Re-DocRED/main/data/",
        url_variable="HARNESS_REDOCRED_URL",
        packaged_relations="redocred_rel_info.json",
    ),
    "sample": Corpus(
        name="sample",
        splits={"dev": CorpusFile("documents.json")},
        default_split="dev",
        relations=CorpusFile("rel_info.json"),
        licence="Apache-2.0",
        source="written for this project; ships inside the package",
    ),
    "fewrel": Corpus(
        name="fewrel",
        splits={"dev": CorpusFile("val_wiki.json", "fe103ba5f52de1f0c070d66c7a8ba9de20c9f96c")},
        default_split="dev",
        relations=CorpusFile("pid2name.json", "00b632be58e00b5337c054ac8a46bda1f4c27b0e"),
        licence="MIT",
        source="Han et al. (2018), FewRel, EMNLP; github.com/thunlp/FewRel; its validation split of 16 relations",
        url="https://raw.githubusercontent.com/thunlp/FewRel/master/data/",
        url_variable="HARNESS_FEWREL_URL",
        format="fewrel",
    ),
}


def corpus_named(name: str) -> Corpus:
    """The row of that name; InputError with the nearest known name otherwise."""
    if name in CORPORA:
        return CORPORA[name]
    nearest = difflib.get_close_matches(name.lower(), CORPORA, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(CORPORA)}"
    raise InputError(f"unknown dataset {name!r}: {hint} (or give the path of a DocRED-format .json file)")


def part_of(name: str, split: str) -> Part | None:
    """The part of a file that a split is; None for a whole file, and for what is not in the table."""
    corpus = CORPORA.get(name)
    return corpus.splits[split].part if corpus and split in corpus.splits else None


def load_dataset(
    name_or_path: str,
    split: str | None = None,
    data_dir: Path | None = None,
    each: Callable[[Document], object] | None = None,
) -> Dataset:
    """Load one split of a corpus of the table, or a DocRED-format file; every document is validated here.

    ``data_dir`` holds the files of a downloaded corpus in place of the cache; packaged corpora and file paths
    do not use it. For a path, ``split`` is only the name to record (default "all"), and the schema is the table beside
    the file (``relation_table.RELATION_TABLES``), or else the relation ids found in it, each its own name. ``each`` is
    called with every document of such a file while it is read for the first time.
    Raises InputError for unknown names and splits, missing files, and files that are not valid.
    """
    if name_or_path not in CORPORA and _looks_like_path(name_or_path):
        return _load_file(Path(name_or_path), split, each)
    corpus = corpus_named(name_or_path)
    split = split or corpus.default_split
    if split not in corpus.splits:
        raise InputError(f"{corpus.name} has no split {split!r}; it has {', '.join(corpus.splits)}")
    folder = data_dir if data_dir is not None and corpus.url else corpus.folder
    file = corpus.splits[split]
    path, relations = folder / file.name, folder / corpus.relations.name
    for needed in (path, relations):
        if corpus.url and not needed.exists():
            raise InputError(
                f"{needed}: no such file; run `harness data fetch {corpus.name}`, "
                f"or name the folder that holds {needed.name} with --data-dir"
            )
    schema: RelationSchema
    documents: Collection[Document]
    source = LabelSource(file.labelled_by)
    sources: Mapping[LabelSource, str] = {source: ""}
    if corpus.format == "fewrel":
        from harness.datasets.fewrel import read_fewrel

        schema, documents = read_fewrel(path, relations)
    else:
        schema = read_schema(relations)
        documents = DocumentFile(path, schema, source)
        sources = documents.label_sources
    if file.part is not None:
        documents = split_documents(list(documents)).part(file.part)
    return Dataset(corpus.name, split, schema, documents, sha256_of(path), sources)


def _looks_like_path(name: str) -> bool:
    return name.endswith(DATA_SUFFIXES) or os.sep in name or Path(name).exists()


def _load_file(path: Path, split: str | None, each: Callable[[Document], object] | None) -> Dataset:
    labelled_by = _annotated_by(path)
    schema = schema_beside(path)
    documents = DocumentFile(path, schema, labelled_by, each)
    if schema is None:
        schema = RelationSchema(tuple(Relation(id, id) for id in documents.relation_ids))
    name = Path(path.name.removesuffix(".gz")).stem
    return Dataset(name, split or "all", schema, documents, sha256_of(path), documents.label_sources)


def _annotated_by(path: Path) -> LabelSource:
    """The model that annotated a file before such files said so themselves: the manifest beside it tells."""
    try:
        match whole_value(path.with_name("manifest.json"), "the manifest"):
            case {"written": dict(), "question": {"model": {"name": str(name)}}}:
                return LabelSource("model", name)
    except InputError:
        pass  # No manifest, or none of an annotation.
    return HUMAN
