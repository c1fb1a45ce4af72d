"""From a name or a path to a dataset."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from harness.datasets import load_dataset
from harness.datasets.docred import sha256_of
from harness.datasets.registry import CORPORA, PACKAGE
from harness.errors import InputError

GOOD = Path(__file__).resolve().parent / "good"


def test_a_file_takes_its_schema_from_the_table_beside_it() -> None:
    dataset = load_dataset(str(GOOD / "odd.json"))
    assert (dataset.name, dataset.split) == ("odd", "all")
    assert [relation.name for relation in dataset.schema.relations] == ["country", 'is "near" (|)']
    assert len(dataset.documents) == 4
    assert dataset.sha256 == sha256_of(GOOD / "odd.json")


def test_a_file_alone_takes_its_schema_from_its_labels(tmp_path: Path) -> None:
    shutil.copy(GOOD / "odd.json", tmp_path / "mine.json")
    dataset = load_dataset(str(tmp_path / "mine.json"), "test")
    assert (dataset.name, dataset.split) == ("mine", "test")
    assert [(relation.id, relation.name) for relation in dataset.schema.relations] == [
        ("r | (1)", "r | (1)"),
        ("P17", "P17"),
    ]


@pytest.mark.parametrize("name", ["dev.json.gz", "dev.jsonl.gz", "dev.jsonl"])
def test_a_packed_file_or_one_of_lines_has_the_name_without_its_endings(name: str, tmp_path: Path) -> None:
    content = (GOOD / "json_lines.json").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    dataset = load_dataset(str(tmp_path / name))
    assert (dataset.name, len(dataset.documents), dataset.sha256) == ("dev", 2, sha256_of(tmp_path / name))
    with pytest.raises(InputError, match="no such file"):
        load_dataset(f"absent_{name}")


@pytest.mark.parametrize(
    ("tables", "names"),
    [
        (["rel2id.json"], ["P36", "P17"]),
        (["rel_info.json.gz", "rel2id.json"], ["country"]),
        (["rel_info.json", "rel_info.json.gz"], ["capital", "country"]),
    ],
)
def test_the_first_table_beside_a_file_names_its_relations(tables: list[str], names: list[str], tmp_path: Path) -> None:
    shutil.copy(GOOD / "two_documents.json", tmp_path)
    content = {
        "rel2id.json": b'{"Na": 0, "P17": 2, "P36": 1}',
        "rel_info.json.gz": gzip.compress(b'{"P17": "country"}'),
        "rel_info.json": b'{"P36": "capital", "P17": "country"}',
    }
    for table in tables:
        (tmp_path / table).write_bytes(content[table])
    dataset = load_dataset(str(tmp_path / "two_documents.json"))
    assert [relation.name for relation in dataset.schema.relations] == names


def test_a_corpus_is_read_from_the_folder_given(tmp_path: Path) -> None:
    shutil.copy(GOOD / "odd.json", tmp_path / "test_revised.json")
    shutil.copy(GOOD / "rel_info.json", tmp_path)
    dataset = load_dataset("redocred", "test", tmp_path)
    assert (dataset.name, dataset.split, len(dataset.documents)) == ("redocred", "test", 4)


def test_a_corpus_is_read_from_the_cache_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path))
    (tmp_path / "redocred").mkdir()
    shutil.copy(GOOD / "odd.json", tmp_path / "redocred" / "dev_revised.json")
    shutil.copy(GOOD / "rel_info.json", tmp_path / "redocred")
    assert load_dataset("redocred").split == "dev"


@pytest.mark.parametrize("present", [[], ["dev_revised.json"]])
def test_a_missing_file_of_a_corpus_names_the_two_ways_to_get_it(tmp_path: Path, present: list[str]) -> None:
    for name in present:
        shutil.copy(GOOD / "odd.json", tmp_path / name)
    missing = "rel_info.json" if present else "dev_revised.json"
    with pytest.raises(InputError) as caught:
        load_dataset("redocred", data_dir=tmp_path)
    assert str(tmp_path / missing) in str(caught.value)
    assert "harness data fetch redocred" in str(caught.value)
    assert "--data-dir" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "split", "says"),
    [
        ("redocrd", None, "did you mean redocred?"),
        ("Sample", None, "did you mean sample?"),
        ("quite-different", None, "known are redocred, sample, fewrel"),
        (
            "redocred",
            "validation",
            "redocred has no split 'validation'; it has train, dev, test, dev-train, dev-choose, dev-report",
        ),
        ("sample", "test", "sample has no split 'test'; it has dev"),
        ("missing/file.json", None, "no such file"),
        (str(GOOD), None, "is a folder"),
    ],
)
def test_an_unusable_name_or_split_is_answered_in_one_line(name: str, split: str | None, says: str) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset(name, split)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data_dir", [None, Path("nowhere")])
def test_the_sample_ships_in_the_package(data_dir: Path | None) -> None:
    dataset = load_dataset("sample", data_dir=data_dir)
    assert (dataset.name, dataset.split) == ("sample", "dev")
    assert len(dataset.documents) >= 24


def test_packaged_relation_tables_are_those_that_the_table_names() -> None:
    for corpus in CORPORA.values():
        if corpus.packaged_relations:
            assert (PACKAGE / corpus.packaged_relations).is_file()
