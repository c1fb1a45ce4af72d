"""Choosing documents of a split: by a sample, a range, titles, and parts that together are all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.planned_run import Scope
from harness.types import Dataset, ModelSpec
from tests.corpora import write_corpus
from tests.paths import redocred_dir

SPEC = ModelSpec("scripted", "mock", "scripted")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(str(write_corpus(tmp_path / "corpus", 40)))


def scope(dataset: Dataset, **options: Any) -> Scope:
    return Scope(RunConfig("scripted", "tagged", **options), SPEC, dataset)


def titles(dataset: Dataset, **options: Any) -> list[str]:
    """The titles chosen; each can be iterated again, and is counted."""
    chosen = scope(dataset, **options)
    found = [document.title for document in chosen.documents]
    assert found == [document.title for document in chosen.documents]
    assert chosen.document_count == len(found)
    return found


def test_a_sample_is_the_same_for_the_same_seed_and_in_the_order_of_the_split(dataset: Dataset) -> None:
    all_titles = titles(dataset)
    drawn = titles(dataset, sample=10, seed=7)
    assert drawn == titles(dataset, sample=10, seed=7) != titles(dataset, sample=10, seed=8)
    assert drawn == [title for title in all_titles if title in drawn]
    assert len(drawn) == 10
    assert set(drawn) < set(titles(dataset, sample=20, seed=7)), "a larger sample keeps the documents of a smaller"


def test_a_stratified_sample_has_one_document_of_each_size(dataset: Dataset) -> None:
    documents = list(dataset.documents)
    grown = [replace(one, sentences=one.sentences * (1 + place // 4)) for place, one in enumerate(documents)]
    drawn = titles(replace(dataset, documents=grown), sample=10, stratify="length")
    assert [int(title.removeprefix("Document ")) // 4 for title in drawn] == list(range(10))


def test_ranges_and_titles_are_taken_from_the_command_or_a_file(dataset: Dataset, tmp_path: Path) -> None:
    assert titles(dataset, range="3:5") == ["Document 3", "Document 4"]
    assert titles(dataset, range="38:500") == ["Document 38", "Document 39"]
    file = tmp_path / "titles.txt"
    file.write_text("Document 9\n\nDocument 2\n", encoding="utf-8")
    assert titles(dataset, documents=("Document 30", str(file))) == ["Document 2", "Document 9", "Document 30"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"documents": ("Atlantis",)}, "'Atlantis': is neither a document of corpus"),
        ({"sample": 41}, "--sample 41: corpus  has 40|--sample 41: corpus"),
        ({"range": "40:50"}, "--range 40:50: corpus"),
        ({"range": "5:3"}, "--range 5:3: write A:B"),
        ({"limit": 3, "sample": 3}, "--limit and --sample: choose documents by one"),
        ({"stratify": "length"}, "--stratify spreads a --sample"),
        ({"part": "9/8"}, "--part 9/8: write K/N"),
    ],
)
def test_what_cannot_be_chosen_is_told(dataset: Dataset, options: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        titles(dataset, **options)


def test_parts_share_no_document_and_stay_the_same_when_the_split_grows(dataset: Dataset) -> None:
    parts = [titles(dataset, part=f"{number}/4") for number in (1, 2, 3, 4)]
    assert Counter(title for part in parts for title in part) == Counter(titles(dataset))
    fewer = replace(dataset, documents=list(dataset.documents)[:20])
    assert titles(fewer, part="2/4") == [title for title in parts[1] if int(title.removeprefix("Document ")) < 20]
    assert titles(dataset, range="10:30", part="15:25") == [f"Document {number}" for number in range(25, 30)]


def test_parts_of_the_dev_split_are_of_nearly_equal_size() -> None:
    dataset = load_dataset("redocred", "dev", redocred_dir())
    sizes = [scope(dataset, part=f"{number}/8").document_count for number in range(1, 9)]
    assert sum(sizes) == len(dataset.documents) == 500
    assert all(40 <= size <= 85 for size in sizes)
