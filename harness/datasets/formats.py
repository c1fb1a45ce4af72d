"""The forms in which documents are read, told by the names of files, and what reads each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.datasets.candidate_pairs import conventional
from harness.datasets.corpus import CandidateRule, Corpus, Format
from harness.datasets.docbin import read_docbin
from harness.datasets.docred import read_documents
from harness.datasets.fields import Fault, refusal
from harness.datasets.hacred import read_hacred
from harness.datasets.label_studio import read_label_studio
from harness.datasets.pair_lines import read_pair_lines
from harness.datasets.parquet import read_parquet
from harness.datasets.pubtator import read_pubtator
from harness.datasets.scierc import read_scierc
from harness.errors import InputError
from harness.label_source import LabelSource
from harness.types import Document, RelationSchema

Reader = Callable[[Path, RelationSchema | None, LabelSource], Iterator[Document]]

READERS: Mapping[Format, Reader] = {
    "docred": read_documents,
    "hacred": read_hacred,
    "pairs": read_pair_lines,
    "pubtator": read_pubtator,
    "label-studio": read_label_studio,
    "docbin": read_docbin,
    "scierc": read_scierc,
    "parquet": read_parquet,
}

ENDINGS: Mapping[str, Format] = {
    ".data": "pairs",
    ".pubtator": "pubtator",
    ".pubtator.txt": "pubtator",
    ".spacy": "docbin",
    ".parquet": "parquet",
}
"""Endings of names, in lower case and without ``.gz``, that tell a form."""


def format_of(path: Path, otherwise: Format = "docred") -> Format:
    """The form that a file's name tells."""
    name = path.name.lower().removesuffix(".gz")
    return next((form for ending, form in ENDINGS.items() if name.endswith(ending)), otherwise)


def read_corpus_file(
    path: Path,
    corpus: Corpus,
    rule: CandidateRule,
    schema: RelationSchema | None,
    labelled_by: LabelSource,
    form: Format | None = None,
) -> Iterator[Document]:
    """The documents of a corpus' file in any form, as its literature reads them; InputError at the first fault.

    ``form`` is told by the file's name where it is None.
    """
    form = form or format_of(path, corpus.format)
    if form == "pubtator" and rule == "labelled":
        raise InputError(
            f"{path}: does not label pairs without relation: `harness data convert` with --corpus {corpus.name} and "
            "--mesh-tree writes a file that does, or choose the split without -filtered"
        )
    reader = READERS[form]
    for index, document in enumerate(reader(path, schema, labelled_by)):
        try:
            yield conventional(document, corpus, rule)
        except Fault as fault:
            raise refusal(path, f"document {index}", {"title": document.title}, fault) from None
