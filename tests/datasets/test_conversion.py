"""Conversion keeps relations, what means none and who wrote the labels, and writes no file that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.datasets.conversion import convert
from harness.datasets.registry import CORPORA, load_dataset
from harness.errors import InputError
from tests.commands import error_line, harness_here
from tests.corpora import write_corpus

HERE = Path(__file__).parent / "corpora"
TABLE = {"P17": "country", "X": {"name": "anything else", "none": True}}


def source(folder: Path, *relations: str, name: str = "corpus.json") -> Path:
    """A document with a label of each of the relations, and their table beside it."""
    corpus = write_corpus(folder, 1)
    (row,) = json.loads(corpus.read_text(encoding="utf-8"))
    row["labels"] = [{"h": 0, "t": place + 1, "r": one, "evidence": []} for place, one in enumerate(relations)]
    (folder / "rel_info.json").write_text(json.dumps(TABLE), encoding="utf-8")
    corpus.unlink()
    (folder / name).write_text(json.dumps([row]), encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("name", ["dev.json", "dev.parquet", "dev.PARQUET"])
def test_relations_are_those_of_the_table_beside_the_source(tmp_path: Path, name: str) -> None:
    corpus = source(tmp_path / "made", "country", "X")
    convert(corpus, tmp_path / "out" / name)
    before, after = load_dataset(str(corpus)), load_dataset(str(tmp_path / "out" / name))
    assert list(after.documents) == list(before.documents)
    assert after.schema == before.schema
    (document,) = after.documents
    assert (len(document.labels), document.unrelated) == (1, ((0, 2),))


@pytest.mark.parametrize(
    ("corpus", "name", "kind"), [("docred", "train_distant.json", "distant"), ("docred", "dev.json", "human")]
)
def test_who_wrote_the_labels_is_told_by_the_name_of_the_file(
    tmp_path: Path, corpus: str, name: str, kind: str
) -> None:
    convert(source(tmp_path / "made", "P17", name=name), tmp_path / "out" / "dev.json", CORPORA[corpus])
    assert [one.kind for one in load_dataset(str(tmp_path / "out" / "dev.json")).label_sources] == [kind]


def test_labels_of_a_model_stay_those_of_a_model(tmp_path: Path) -> None:
    corpus = source(tmp_path / "made", "P17")
    manifest = {"written": {}, "question": {"model": {"name": "some-model"}}}
    (corpus.parent / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    convert(corpus, tmp_path / "out" / "dev.json")
    (kept,) = load_dataset(str(tmp_path / "out" / "dev.json")).label_sources
    assert (kept.kind, kept.name) == ("model", "some-model")


def test_conventions_hold_where_the_form_is_named(tmp_path: Path) -> None:
    lines = tmp_path / "cdr.txt"
    lines.write_bytes((HERE / "dev.data").read_bytes())
    convert(lines, tmp_path / "named" / "dev.json", CORPORA["cdr"], form="pairs")
    convert(HERE / "dev.data", tmp_path / "told" / "dev.json", CORPORA["cdr"])
    assert (tmp_path / "named" / "dev.json").read_bytes() == (tmp_path / "told" / "dev.json").read_bytes()


def test_nothing_is_written_beside_a_table_that_lacks_a_relation(tmp_path: Path) -> None:
    corpus = source(tmp_path / "made", "P17")
    target = tmp_path / "out" / "dev.json"
    target.parent.mkdir()
    target.write_text("[]", encoding="utf-8")
    (target.parent / "schema.toml").write_text('[P1]\nname = "one"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"schema\.toml: lacks the relation 'P17'"):
        convert(corpus, target)
    assert target.read_text(encoding="utf-8") == "[]"
    assert not (target.parent / "rel_info.json").exists()
    subset = harness_here("data", "subset", corpus, target, "-m", "1")
    assert "schema.toml: is there already" in error_line(subset)


@pytest.mark.parametrize(
    "name", ["dev.data", "dev.PubTator.txt", "dev.spacy", "dev.json.gz", "rel_info.json", "schema.toml"]
)
def test_a_target_that_would_be_read_as_something_else_is_refused(tmp_path: Path, name: str) -> None:
    corpus = source(tmp_path / "made", "P17")
    done = harness_here("data", "convert", corpus, tmp_path / "out" / name)
    assert "documents are written as .json, .jsonl or .parquet; name such a file" in error_line(done)
    assert not (tmp_path / "out").exists()
