"""Several corpora as one to train on: each document once, with the labels that count."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.datasets.registry import entity_types_of, load_split
from harness.errors import InputError
from harness.training.data import split_to_train_on
from harness.training.fit import TrainingJob
from tests.commands import error_line, harness_here
from tests.corpora import RELATIONS, write_corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files as of DocRED and Re-DocRED: of six texts, train of both has the first four, Re-DocRED with more labels.

    DocRED's dev has the last two; of these Re-DocRED's dev has one and its test the other.
    """
    rows: list[dict[str, Any]] = json.loads(write_corpus(tmp_path / "made", 6).read_text(encoding="utf-8"))
    more = [{**row, "labels": [*row["labels"], {"h": 0, "t": 3, "r": "P17", "evidence": []}]} for row in rows]
    # Another file of the same texts may tokenise and punctuate them otherwise.
    more[0]["sents"] = [[*more[0]["sents"][0][:-1], "!"]]
    distant = [{**rows[0], "labels": []}, {**rows[5], "title": "Document 1"}]
    files = {
        "train_annotated.json": rows[:4],
        "train_revised.json": more[:4],
        "dev.json": rows[4:],
        "dev_revised.json": more[4:5],
        "test_revised.json": more[5:],
        "train_distant.json": distant,
        "rel_info.json": RELATIONS,
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def test_a_document_that_both_have_is_there_once_with_the_labels_named_last(folder: Path) -> None:
    both = load_split("docred:train+redocred:train", folder)
    revised = load_split("redocred:train", folder)
    assert (both.name, both.split, len(both.documents)) == ("docred+redocred", "train+train", 4)
    assert [one.labels for one in both.documents] == [one.labels for one in revised.documents]
    assert both.schema == revised.schema
    other = load_split("redocred:train+docred:train", folder)
    assert [one.labels for one in other.documents] == [
        one.labels for one in load_split("docred:train", folder).documents
    ]
    assert other.sha256 != both.sha256
    files = f"{folder / 'train_annotated.json'}+{folder / 'train_revised.json'}"
    assert list(load_split(files).documents) == list(both.documents)


def test_labels_of_humans_stand_before_those_of_distant_supervision(folder: Path) -> None:
    joined = load_split("docred:train+docred:distant", folder)
    assert [one.title for one in joined.documents] == [*(f"Document {n}" for n in range(4)), "Document 1 (docred)"]
    assert [one.label_source.kind for one in joined.documents] == ["human"] * 4 + ["distant"]
    assert {source.kind: title for source, title in joined.label_sources.items()} == {
        "human": "Document 0",
        "distant": "Document 1 (docred)",
    }
    assert len(next(iter(joined.documents)).labels) == 3


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({**RELATIONS, "P17": "land"}, "relation P17 is called 'land', and 'country' in a corpus named before it"),
        ({"X1": "country"}, "relation X1 is called 'country', as P17 is in a corpus named before it"),
        ({**RELATIONS, "P17": {"name": "country", "none": True}}, "P17 is a relation of one corpus and means none in"),
    ],
)
def test_relations_that_contradict_each_other_are_refused(folder: Path, table: dict[str, Any], told: str) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "rel_info.json").write_text(json.dumps(table), encoding="utf-8")
    rows = [{"title": "T", "sents": [["a", "."]], "vertexSet": [], "labels": []}]
    (folder / "other" / "more.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(InputError, match=told):
        load_split(f"{folder / 'train_annotated.json'}+{folder / 'other' / 'more.json'}")
    with pytest.raises(InputError, match="'nothing'"):
        load_split("docred:train+nothing", folder)


def test_nothing_that_is_trained_on_judges(folder: Path) -> None:
    job = TrainingJob("atlop", "docred:train+redocred:train", dev="redocred:dev", test="redocred:test", data_dir=folder)
    _, split, origin = split_to_train_on(job)
    assert (len(split.train), len(split.choose), len(split.report)) == (4, 1, 1)
    assert origin["train"] == "docred+redocred"
    for change, told in (
        (
            {"train": "docred:train+docred:dev"},
            "--dev redocred:dev: 1 of its documents, such as 'Document 4', are among",
        ),
        ({"train": "docred:train+redocred:test"}, "--test redocred:test: 1 of its documents, such as 'Document 5'"),
        ({"dev": "docred:dev"}, "--test redocred:test: 1 of its documents, such as 'Document 5'"),
    ):
        with pytest.raises(InputError, match=told):
            split_to_train_on(replace(job, **change))  # type: ignore[arg-type] # all are texts


def test_entity_types_are_those_of_all(folder: Path) -> None:
    assert entity_types_of("docred:train+redocred:train") == entity_types_of("docred")
    assert entity_types_of("cdr:train+gda:train") == ("CHEM", "DISE", "GENE")
    assert entity_types_of(str(folder / "dev.json")) == entity_types_of("redocred")


def test_a_sentence_that_one_corpus_has_twice_stays_twice(folder: Path) -> None:
    anna = {"tokens": ["Anna", "knows", "Ben", "."], "h": ["anna", "Q1", [[0]]], "t": ["ben", "Q2", [[2]]]}
    other = {**anna, "h": anna["t"], "t": anna["h"]}
    (folder / "val_wiki.json").write_text(json.dumps({"P26": [anna, other]}), encoding="utf-8")
    (folder / "pid2name.json").write_text(json.dumps({"P26": ["spouse", "-"]}), encoding="utf-8")
    both = load_split("docred:train+fewrel:dev", folder)
    assert [one.title for one in both.documents][4:] == ["sentence 0", "sentence 1"]
    again = load_split("fewrel:dev+fewrel:dev", folder)
    assert list(again.documents) == list(load_split("fewrel:dev", folder).documents)


def test_any_labels_stand_before_none(folder: Path) -> None:
    rows = json.loads((folder / "train_distant.json").read_text(encoding="utf-8"))
    unlabelled = [{key: value for key, value in row.items() if key != "labels"} for row in rows]
    (folder / "test.json").write_text(json.dumps(unlabelled), encoding="utf-8")
    for name in ("docred:distant+docred:test", "docred:test+docred:distant"):
        assert {one.kind for one in load_split(name, folder).label_sources} == {"distant"}


@pytest.mark.parametrize("name", ["docred:train+", "+docred:train", "", " "])
def test_a_corpus_without_a_name_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="has no name: write NAME:SPLIT or a path"):
        load_split(name, folder)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = json.loads(write_corpus(tmp_path / "made", 3).read_text(encoding="utf-8"))
    names = ("one/part/train.json", "two/part/train.json", "two/part/train.json.gz", "three/dev.json")
    for number, name in enumerate(names):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        other = [{**row, "sents": [[f"Text{number}", *row["sents"][0]]]} for row in rows]
        place.write_text(json.dumps(other), encoding="utf-8")
    named = load_split("+".join(str(tmp_path / name) for name in names))
    assert named.name == "one/part/train+two/part/train.json+two/part/train.json.gz+dev"
    assert len(named.documents) == 12
    assert [one.title for one in named.documents][3:9:3] == [
        "Document 0 (two/part/train.json)",
        "Document 0 (two/part/train.json.gz)",
    ]
    same = load_split(f"{tmp_path / names[0]}+{tmp_path / names[0]}")
    assert (same.name, len(same.documents)) == ("train+train", 3)


def test_joined_corpora_are_counted_and_checked(folder: Path) -> None:
    place = ("--data-dir", folder)
    name = "docred:train+redocred:train+docred:dev"
    counted = json.loads(harness_here("data", "stats", name, *place, "--json").stdout)
    assert (counted["documents"], counted["triplets"], counted["labels_with_evidence"]) == (6, 22, 18)
    assert {name: one["documents"] for name, one in counted["joined"].items()} == {
        "docred:train": 4,
        "redocred:train": 4,
        "docred:dev": 2,
    }
    shown = harness_here("data", "stats", name, *place).stdout
    assert "docred:train (4, 4 relations), redocred:train (4, 4 relations), docred:dev (2, 4 relations)" in shown
    told = harness_here("data", "validate", name, *place).stdout.splitlines()
    assert told[:4] == [
        "docred:train: 4 documents, all valid",
        "redocred:train: 4 documents, all valid",
        "docred:dev: 2 documents, all valid",
        f"{name}: 6 documents, all valid; 4 stand in several, and count once",
    ]
    told_of_split = harness_here("data", "validate", name, "--split", "dev", *place)
    assert (told_of_split.returncode, "each is named with its split" in error_line(told_of_split)) == (2, True)


def test_the_folder_of_a_corpus_that_is_shown_is_the_one_that_was_named(folder: Path) -> None:
    shown = json.loads(harness_here("data", "show", "docred", "--data-dir", folder, "--json").stdout)
    assert (shown["folder"], shown["here"]) == (str(folder), ["train", "distant", "dev"])
    (folder / "docred").mkdir()
    assert (
        f"folder           {folder / 'docred'}" in harness_here("data", "show", "docred", "--data-dir", folder).stdout
    )
