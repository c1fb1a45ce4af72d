"""FewRel's sentences as documents."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from harness.datasets.download import git_blob_id
from harness.datasets.registry import CORPORA, load_dataset
from harness.errors import InputError
from harness.types import Entity, Label, Mention, Triplet
from tests.paths import fewrel_dir

NAMES = {"P26": ["spouse", "who one is married to"], "P40": ["child", "of a parent"], "P9": ["unused", "-"]}
ANNA = {
    "tokens": ["Anna", "is", "the", "wife", "of", "Ben", "Bear", ",", "Anna", "said", "."],
    "h": ["anna", "Q1", [[0], [8]]],
    "t": ["ben bear", "Q2", [[5, 6]]],
}
CAI = {"tokens": ["Cai", "has", "Dot", "."], "h": ["cai", "Q3", [[0]]], "t": ["dot", "Q4", [[2]]]}


def write(folder: Path, sentences: object, names: object = NAMES) -> Path:
    (folder / "val_wiki.json").write_text(json.dumps(sentences))
    (folder / "pid2name.json").write_text(json.dumps(names))
    return folder


def test_a_sentence_becomes_a_document_of_two_entities(tmp_path: Path) -> None:
    dataset = load_dataset("fewrel", data_dir=write(tmp_path, {"P26": [ANNA]}))
    (document,) = dataset.documents
    assert (dataset.name, dataset.split) == ("fewrel", "dev")
    assert document.sentences == (tuple(ANNA["tokens"]),)
    head = Entity((Mention("Anna", 0, 0, 1, "ENTITY"), Mention("Anna", 0, 8, 9, "ENTITY")))
    assert document.entities == (head, Entity((Mention("Ben Bear", 0, 5, 7, "ENTITY"),)))
    assert document.labels == (Label(Triplet(0, "P26", 1), (0,)),)


def test_relations_take_turns_and_titles_tell_nothing(tmp_path: Path) -> None:
    dataset = load_dataset("fewrel", data_dir=write(tmp_path, {"P26": [ANNA], "P40": [CAI, CAI]}))
    assert [one.labels[0].triplet.relation for one in dataset.documents] == ["P26", "P40", "P40"]
    assert [one.title for one in dataset.documents] == ["sentence 0", "sentence 1", "sentence 2"]


def test_the_schema_is_that_of_the_sentences(tmp_path: Path) -> None:
    dataset = load_dataset("fewrel", data_dir=write(tmp_path, {"P40": [CAI], "P26": [ANNA]}))
    assert [(one.id, one.name) for one in dataset.schema.relations] == [("P40", "child"), ("P26", "spouse")]


@pytest.mark.parametrize(
    ("sentences", "names", "says"),
    [
        ({"P26": [ANNA]}, {}, "P26 has no name"),
        ({"P26": [{"tokens": ["a"]}]}, NAMES, "P26.0.h: Field required"),
        ([ANNA], NAMES, "not of FewRel's format"),
        ({"P40": [{**CAI, "t": ["dot", "Q4", [[4]]]}]}, NAMES, "'dot' is at tokens \\[4\\] of 4"),
        ({"P40": [{**CAI, "t": ["dot", "Q4", [[]]]}]}, NAMES, "'dot' is at tokens \\[\\] of 4"),
        ({"P40": [{**CAI, "h": ["cai", "Q3", []]}]}, NAMES, "'cai' is at no token"),
    ],
)
def test_what_is_not_fewrel_is_refused_in_one_line(tmp_path: Path, sentences: object, names: object, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load_dataset("fewrel", data_dir=write(tmp_path, sentences, names))
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="harness data fetch fewrel"):
        load_dataset("fewrel", data_dir=tmp_path)


def test_the_public_file_has_16_relations_of_700_sentences() -> None:
    folder = fewrel_dir()
    corpus = CORPORA["fewrel"]
    assert git_blob_id(folder / corpus.splits["dev"].name) == corpus.splits["dev"].blob_id
    assert git_blob_id(folder / corpus.relations.name) == corpus.relations.blob_id
    dataset = load_dataset("fewrel", data_dir=folder)
    counts = Counter(one.labels[0].triplet.relation for one in dataset.documents)
    assert set(counts.values()) == {700}
    assert list(counts) == [relation.id for relation in dataset.schema.relations]
    assert len(counts) == 16


def test_the_file_may_be_packed_and_begin_with_a_mark(tmp_path: Path) -> None:
    plain = load_dataset("fewrel", data_dir=write(tmp_path, {"P26": [ANNA]}))
    content = (tmp_path / "val_wiki.json").read_bytes()
    (tmp_path / "val_wiki.json").unlink()
    (tmp_path / "val_wiki.json.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + content))
    assert load_dataset("fewrel", data_dir=tmp_path).documents == plain.documents
    (tmp_path / "val_wiki.json.gz").write_bytes(b'{"P26": [], "P26": []}')
    with pytest.raises(InputError, match="the key 'P26' is given twice"):
        load_dataset("fewrel", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("sentences", "names", "says"),
    [
        ({"P26": [ANNA], "P40": []}, {}, "relation 'P40' has no sentence; give it some or leave it out"),
        ({"P26": [ANNA], "P40": [ANNA]}, {"P40": ["spouse", ""]}, "P26 and P40 have one name, 'spouse'; rename one"),
        ({"P26": [ANNA]}, {"P26": [" ", ""]}, "relation 'P26' has an empty name; give it one"),
        ({}, {}, "holds no relation; get it whole"),
    ],
)
def test_relations_that_cannot_be_told_or_tested_are_refused(
    sentences: dict[str, object], names: dict[str, object], says: str, tmp_path: Path
) -> None:
    folder = write(tmp_path, sentences)
    table = {"P26": ["spouse", ""], "P40": ["child", ""], **names}
    (folder / "pid2name.json").write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)):
        load_dataset("fewrel", data_dir=folder)


def test_public_splits_are_told_in_the_working_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    triplet = {"tokens": CAI["tokens"], "head": [0], "tail": [2], "label_id": "P40", "label": "child"}
    (tmp_path / "unseen_5_seed_0").mkdir()
    (tmp_path / "unseen_5_seed_0" / "test.jsonl").write_text(json.dumps({"triplets": [triplet]}))
    monkeypatch.chdir(tmp_path)
    for corpus, kind in (("fewrel", "human"), ("wiki-zsl", "distant")):
        (document,) = load_dataset(corpus, "m5-seed-0", ".").documents
        assert (document.label_source.kind, document.labels[0].triplet) == (kind, Triplet(0, "P40", 1))
