"""Whether a dataset has the labels that scores, examples and trainings need."""

from __future__ import annotations

from harness.errors import InputError
from harness.label_source import NO_LABELS, LabelSource
from harness.types import Dataset


def label_source_of(dataset: Dataset) -> LabelSource:
    """Where the labels come from. Raises InputError where only some of the documents have any: such a file does not
    tell whether the others are to be annotated, or hold no relation.
    """
    sources = dataset.label_sources
    if NO_LABELS in sources and len(sources) > 1:
        raise InputError(
            f'{named(dataset)}: document {sources[NO_LABELS]!r} has no "labels" and others have some: write '
            '"labels": [] where no relation holds, or put the documents without gold into a file of their own'
        )
    return LabelSource.merged(sources)


def with_gold(dataset: Dataset, purpose: str) -> Dataset:
    """The dataset, if it has labels; InputError otherwise, in which ``purpose`` says what needs them."""
    if label_source_of(dataset) == NO_LABELS:
        raise InputError(f"{purpose} needs gold labels, and the documents of {named(dataset)} have none")
    return dataset


def named(dataset: Dataset) -> str:
    return f"{dataset.name} {dataset.split}".strip()
