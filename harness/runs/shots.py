"""The documents that a few-shot prompt demonstrates: drawn by seed, never one that is evaluated."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from harness.datasets.content import content_hash, content_pieces, is_mostly_in
from harness.datasets.gold import with_gold
from harness.datasets.registry import CORPORA, load_dataset
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.selection import draw
from harness.runs.training_file import TRAIN
from harness.types import Dataset, Document

SAMPLE = "sample"


@dataclass(frozen=True)
class Shots:
    """The documents drawn, in the order in which they are shown, and the file that they came from."""

    documents: tuple[Document, ...]
    dataset: str
    split: str
    sha256: str

    @property
    def identity(self) -> dict[str, object]:
        """What tells these shots from others in the run's question."""
        titles = [document.title for document in self.documents]
        return {"dataset": self.dataset, "split": self.split, "sha256": self.sha256, "titles": titles}


def draw_shots(config: RunConfig, evaluated: Dataset, documents: Iterable[Document]) -> Shots:
    """``config.shots`` labelled documents, the same for the same seed, none of them among ``documents``.

    They come from ``config.shots_from`` (a corpus's name or a DocRED-format file); else from the corpus's
    training split if it is at hand; else from the built-in corpus. A document counts as evaluated if its title or
    its content is, wholly or mostly. Labels of relations outside the evaluated schema are left out. Raises
    InputError where not enough documents are left.
    """
    source = with_gold(_source(config), "--shots")
    titles, contents, pieces = set(), set(), set[int]()
    for document in documents:
        titles.add(document.title)
        contents.add(content_hash(document))
        pieces |= content_pieces(document)
    others = (
        within
        for document in source.documents
        if document.title not in titles and content_hash(document) not in contents
        if not is_mostly_in(content_pieces(document), pieces)
        if (within := document.within(evaluated.schema.by_id)).labels
    )
    drawn = heapq.nsmallest(config.shots, others, key=lambda document: draw(config.seed, document.title))
    if len(drawn) < config.shots:
        raise InputError(
            f"--shots {config.shots}: {_name(source)} has only {len(drawn)} labelled documents besides those "
            "evaluated, over the relations asked about: name another file with --shots-from, or ask for fewer"
        )
    return Shots(tuple(drawn), source.name, source.split, source.sha256)


def _source(config: RunConfig) -> Dataset:
    if config.shots_from:
        return load_dataset(config.shots_from, None, config.data_dir)
    corpus = CORPORA.get(config.dataset)
    if corpus and TRAIN in corpus.splits and config.split != TRAIN:
        folder = config.data_dir or corpus.folder
        if corpus.splits[TRAIN].path_in(folder).is_file():
            return load_dataset(config.dataset, TRAIN, config.data_dir)
    return load_dataset(SAMPLE)


def _name(dataset: Dataset) -> str:
    return f"{dataset.name} {dataset.split}".strip()
