"""Corpora in Parquet: labels as lists of objects and as objects of lists, names of relations, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from harness.datasets.conversion import convert
from harness.datasets.docred_output import document_output
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from tests.commands import harness_here
from tests.corpora import RELATIONS, write_corpus


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    return str(path)


def as_on_the_hub(document: dict[str, Any]) -> dict[str, Any]:
    """The labels in one object of lists, with the relations' names."""
    labels = document["labels"]
    lists = {"head": [one["h"] for one in labels], "tail": [one["t"] for one in labels]}
    lists |= {"relation_id": [one["r"] for one in labels], "evidence": [one["evidence"] for one in labels]}
    return {**document, "labels": {**lists, "relation_text": [RELATIONS[one["r"]] for one in labels]}}


def test_documents_are_those_of_the_json_file(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "made", 5)
    rows = json.loads(corpus.read_text(encoding="utf-8"))
    expected = load_dataset(str(corpus))
    plain = load_dataset(write(tmp_path / "dev.parquet", rows))
    hub = load_dataset(write(tmp_path / "hub.parquet", list(map(as_on_the_hub, rows))))
    assert list(plain.documents) == list(hub.documents) == list(expected.documents)
    assert dict(sorted(RELATIONS.items())) == {one.id: one.name for one in hub.schema.relations}
    assert {one.name for one in plain.schema.relations} == set(RELATIONS)
    convert(tmp_path / "hub.parquet", tmp_path / "converted" / "dev.json")
    assert list(load_dataset(str(tmp_path / "converted" / "dev.json")).documents) == list(expected.documents)
    assert json.loads((tmp_path / "converted" / "rel_info.json").read_text(encoding="utf-8"))["P17"] == "country"
    beside = load_dataset(write(corpus.with_name("dev.parquet"), rows))
    assert beside.schema == expected.schema


def test_a_fault_names_file_row_and_field(tmp_path: Path) -> None:
    rows = json.loads(write_corpus(tmp_path, 4).read_text(encoding="utf-8"))
    rows[2]["labels"][1]["h"] = 9
    path = tmp_path / "dev.parquet"
    for form in (rows, list(map(as_on_the_hub, rows))):
        with pytest.raises(
            InputError, match=re.escape(f"{path}: row 2 ('Document 2'): labels[1].h: there is no entity")
        ):
            load_dataset(write(path, form))
    with pytest.raises(InputError, match="none of DocRED's"):
        load_dataset(write(path, [{"text": "Oslo"}]))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"dev\.parquet: cannot be read as Parquet \(.*\); get it whole"):
        load_dataset(str(path))
    path.rename(tmp_path / "dev.json")
    with pytest.raises(InputError, match=r"is a Parquet file; name a corpus \.parquet"):
        load_dataset(str(tmp_path / "dev.json"))


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("tail", lambda values: values[:-1], "labels.tail: has 2 entries, and head has 3; give each label one"),
        ("relation_id", lambda values: [*values, "P17"], "labels.relation_id: has 4 entries, and head has 3"),
        ("relation_text", lambda values: values[:1], "labels.relation_text: has 1 entries, and "),
        ("evidence", lambda _: [], "labels.evidence: has 0 entries, and head has 3"),
        ("head", lambda _: None, "labels.head: is missing; write a list with an entry a label"),
        ("relation_id", lambda _: None, "labels.relation_id: is missing; write a list"),
    ],
)
def test_lists_of_labels_that_differ_in_length_are_refused(
    name: str, change: Callable[[list[Any]], list[Any] | None], told: str, tmp_path: Path
) -> None:
    rows = list(map(as_on_the_hub, json.loads(write_corpus(tmp_path, 4).read_text(encoding="utf-8"))))
    rows[2]["labels"][name] = change(rows[2]["labels"][name])
    path = tmp_path / "dev.parquet"
    (tmp_path / "rel_info.json").write_text(json.dumps(RELATIONS), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(f"{path}: row 2 ('Document 2'): {told}")):
        load_dataset(write(path, rows))
    # Without a table beside it, the file's own names are read first.
    (tmp_path / "rel_info.json").unlink()
    with pytest.raises(InputError, match=re.escape(f"{path}: row 2 ('Document 2'): labels.")):
        load_dataset(str(path))


def test_labels_that_are_null_are_no_labels_and_evidence_may_be(tmp_path: Path) -> None:
    rows = list(map(as_on_the_hub, json.loads(write_corpus(tmp_path, 3).read_text(encoding="utf-8"))))
    rows[0]["labels"]["evidence"] = None
    for row in rows[1:]:
        row["labels"] = dict.fromkeys(row["labels"])
    (tmp_path / "rel_info.json").unlink()
    dataset = load_dataset(write(tmp_path / "dev.parquet", [*rows[1:], rows[0]]))
    *others, first = dataset.documents
    assert all(one.name == RELATIONS[one.id] for one in dataset.schema.relations)
    assert [label.evidence for label in first.labels] == [()] * 3
    assert [(one.labels, one.label_source.kind) for one in others] == [((), "none")] * 2


def test_documents_written_as_parquet_are_read_as_they_were(tmp_path: Path) -> None:
    """Labels of all kinds, with evidence and without, none at all, candidate pairs and relations of a test."""
    rows = json.loads(write_corpus(tmp_path / "made", 1_004).read_text(encoding="utf-8"))
    rows[0]["labels"] = []
    del rows[1]["labels"]
    rows[2]["label_source"] = {"kind": "model", "name": "a model"}
    rows[3] |= {"candidate_pairs": [[0, 1], [2, 3]], "unseen_relations": {"P17": "country"}}
    rows[4]["labels"][0]["evidence"] = []
    made = tmp_path / "made" / "all.json"
    made.write_text(json.dumps(rows), encoding="utf-8")
    documents = list(load_dataset(str(made)).documents)
    target = tmp_path / "made" / "all.parquet"
    with document_output(target) as output:
        for document in documents:
            output.write(document)
    assert (output.count, parquet.ParquetFile(target).metadata.num_row_groups) == (1_004, 2)
    assert list(load_dataset(str(target)).documents) == documents
    with pytest.raises(InputError), document_output(tmp_path / "broken.parquet"):
        raise InputError("stopped")
    assert not list(tmp_path.glob("broken*"))


def test_a_corpus_is_converted_to_parquet(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "made", 3)
    done = harness_here("data", "convert", corpus, tmp_path / "out" / "dev.parquet")
    assert done.returncode == 0, done.stderr
    assert list(load_dataset(str(tmp_path / "out" / "dev.parquet")).documents) == list(
        load_dataset(str(corpus)).documents
    )


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("title", b"T", "title: must be a string, not a value of the kind bytes"),
        ("title", Decimal("1.5"), "title: must be a string, not a value of the kind Decimal"),
        ("sents", [[b"a"]], r"sents\[0\]\[0\]: must be a string, not a value of the kind bytes"),
        ("title", float("nan"), "title: must be a string, not the number nan"),
        ("unseen_relations", ["P17"], "unseen_relations: must be an object, not a list"),
        ("unseen_relations", ["ab"], "unseen_relations: must be an object, not a list"),
    ],
)
def test_values_of_other_kinds_are_refused(tmp_path: Path, column: str, value: object, told: str) -> None:
    (row,) = json.loads(write_corpus(tmp_path / "made", 1).read_text(encoding="utf-8"))
    with pytest.raises(InputError, match=f"row 0.*{told}"):
        load_dataset(write(tmp_path / "dev.parquet", [{**row, column: value}]))


@pytest.mark.parametrize(
    ("ids", "texts", "relations", "none"),
    [
        (["CID", "NR"], ["induces", "no relation"], {"CID": "induces"}, ("NR",)),
        (["CID", "X"], ["induces", "NA"], {"CID": "induces"}, ("X",)),
        (["CID", "NR"], [None, None], {"CID": "CID"}, ("NR",)),
        (["CID", "P2"], ["induces", " "], {"CID": "induces", "P2": "P2"}, ()),
    ],
)
def test_what_stands_for_no_relation_is_none(
    tmp_path: Path, ids: list[str], texts: list[str | None], relations: dict[str, str], none: tuple[str, ...]
) -> None:
    (row,) = json.loads(write_corpus(tmp_path / "made", 1).read_text(encoding="utf-8"))
    row["labels"] = {"head": [0, 1], "tail": [1, 0], "relation_id": ids, "relation_text": texts}
    dataset = load_dataset(write(tmp_path / "dev.parquet", [row]))
    assert ({one.id: one.name for one in dataset.schema.relations}, dataset.schema.none) == (relations, none)
    (document,) = dataset.documents
    assert [one.triplet.relation for one in document.labels] == list(relations)
    assert len(document.unrelated) == len(none)
