"""Which documents have gold: no ``labels`` is not the same as no relation, and labels may not be a human's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.datasets import load_dataset
from harness.datasets.docred import read_documents
from harness.datasets.docred_output import as_docred
from harness.datasets.gold import label_source_of, with_gold
from harness.errors import InputError
from harness.label_source import HUMAN, NO_LABELS, LabelSource
from tests.corpora import labelled_by, without_gold, write_corpus

SILVER = LabelSource("model", "gpt-4o")
Edit = Callable[[dict[str, Any]], Any]


def edited(tmp_path: Path, *edits: Edit) -> Path:
    """A corpus with one document for each edit."""
    corpus = write_corpus(tmp_path, len(edits))
    documents = json.loads(corpus.read_text(encoding="utf-8"))
    for edit, document in zip(edits, documents, strict=True):
        edit(document)
    corpus.write_text(json.dumps(documents), encoding="utf-8")
    return corpus


def says(**more: Any) -> Edit:
    return lambda document: document.update(more)


def lacks(key: str) -> Edit:
    return lambda document: document.pop(key)


UNTOUCHED = says()


@pytest.mark.parametrize(
    ("edit", "source"),
    [
        (UNTOUCHED, HUMAN),
        (lacks("labels"), NO_LABELS),
        (says(labels=None), NO_LABELS),
        (says(labels=None, label_source="model"), NO_LABELS),
        (says(labels=[]), HUMAN),
        (says(label_source=None), HUMAN),
        (says(label_source="human"), HUMAN),
        (says(label_source="distant"), LabelSource("distant")),
        (says(label_source={"kind": "model", "name": "gpt-4o"}), SILVER),
        (says(labels=[], label_source={"kind": "model", "name": "gpt-4o"}), SILVER),
        (says(label_source={"kind": "model", "name": "a\nb"}), LabelSource("model", "a b")),
    ],
)
def test_a_document_says_who_labelled_it(tmp_path: Path, edit: Edit, source: LabelSource) -> None:
    (document,) = read_documents(edited(tmp_path, edit))
    assert document.label_source == source


@pytest.mark.parametrize("stated", ["robot", 1, {}, [], {"kind": "model", "name": 3}, {"kind": "none"}])
def test_an_unknown_source_of_labels_is_refused(tmp_path: Path, stated: object) -> None:
    with pytest.raises(InputError, match="label_source"):
        list(read_documents(edited(tmp_path, says(label_source=stated))))


@pytest.mark.parametrize(
    ("edits", "source"),
    [
        ([UNTOUCHED, says(labels=[])], HUMAN),
        ([UNTOUCHED, says(label_source="distant")], LabelSource("distant")),
        ([says(label_source="model"), says(label_source="distant"), UNTOUCHED], LabelSource("model")),
        ([lacks("labels"), says(labels=None)], NO_LABELS),
    ],
)
def test_a_file_is_trusted_like_its_least_trusted_document(
    tmp_path: Path, edits: list[Edit], source: LabelSource
) -> None:
    assert label_source_of(load_dataset(str(edited(tmp_path, *edits)))) == source


def test_a_file_with_labels_in_some_documents_only_can_be_read_and_not_be_scored(tmp_path: Path) -> None:
    dataset = load_dataset(str(edited(tmp_path, UNTOUCHED, lacks("labels"))))
    assert len(list(dataset.documents)) == 2
    with pytest.raises(
        InputError, match=r"'Document 1' has no \"labels\" and others have some: write \"labels\": \[\]"
    ):
        label_source_of(dataset)


def test_what_needs_gold_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--gold needs gold labels, and the documents of corpus all have none$"):
        with_gold(load_dataset(str(without_gold(write_corpus(tmp_path, 2)))), "--gold")


@pytest.mark.parametrize("edit", [UNTOUCHED, lacks("labels"), says(labels=[]), says(label_source="distant")])
def test_what_is_written_is_read_as_it_was(tmp_path: Path, edit: Edit) -> None:
    documents = list(read_documents(edited(tmp_path, edit)))
    again = tmp_path / "again.json"
    again.write_text(json.dumps([as_docred(document) for document in documents]), encoding="utf-8")
    assert list(read_documents(again)) == documents
    assert ("label_source" in again.read_text(encoding="utf-8")) == (documents[0].label_source.kind == "distant")


def test_a_corpus_annotated_before_documents_told_it_is_known_by_its_manifest(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, 1)
    manifest = {"written": {"documents": 1}, "question": {"model": {"name": "smollm2-135m"}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert label_source_of(load_dataset(str(corpus))) == LabelSource("model", "smollm2-135m")
    assert label_source_of(load_dataset(str(labelled_by(corpus, "human")))) == HUMAN
    (tmp_path / "manifest.json").write_text('["another program\'s"]', encoding="utf-8")
    assert label_source_of(load_dataset(str(corpus))) == HUMAN


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (HUMAN, ""),
        (NO_LABELS, ""),
        (SILVER, "silver: labels written by a model (gpt-4o)"),
        (LabelSource("distant"), "silver: labels of distant supervision"),
    ],
)
def test_labels_that_no_human_wrote_are_called_silver(source: LabelSource, words: str) -> None:
    assert source.silver == words
