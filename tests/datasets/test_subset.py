"""Zero-shot tests on some relations: what is drawn or listed, what is written, and how a run over it is scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import run
from harness.datasets.registry import load_dataset
from harness.training.unseen import UnseenJob, _test_set
from tests.chat_server import ChatServer, completion
from tests.commands import error_line, harness_here


@pytest.fixture
def fewrel(tmp_path: Path) -> Path:
    """A folder of FewRel with four relations of three sentences each."""
    folder = tmp_path / "fewrel"
    folder.mkdir()
    sentences = {
        f"P{r}": [
            {"tokens": ["Ann", f"r{r}", f"Bob{n}"], "h": ["ann", "Q1", [[0]]], "t": ["bob", "Q2", [[2]]]}
            for n in range(3)
        ]
        for r in range(4)
    }
    (folder / "val_wiki.json").write_text(json.dumps(sentences), encoding="utf-8")
    (folder / "pid2name.json").write_text(json.dumps({f"P{r}": [f"relation {r}", "..."] for r in range(4)}), "utf-8")
    return folder


def test_the_draw_is_that_of_train_unseen_and_the_pair_of_a_sentence_is_given(fewrel: Path, tmp_path: Path) -> None:
    target = tmp_path / "m2" / "test.json"
    done = harness_here("data", "subset", "fewrel", target, "-m", "2", "--seed", "3", "--data-dir", fewrel)
    assert done.returncode == 0, done.stderr
    assert "6 documents of 2 relations" in done.stdout
    dataset = load_dataset(str(target))
    schema, documents = _test_set(UnseenJob("sentences", "fewrel", 2, seed=3, fewrel=fewrel))
    assert dataset.schema.relations == schema.relations
    assert [one.labels for one in dataset.documents] == [one.labels for one in documents]
    assert {one.pairs for one in dataset.documents} == {((0, 1),)}
    again = harness_here("data", "subset", "fewrel", target, "-m", "2", "--data-dir", fewrel)
    assert "is there already; choose a folder of its own" in error_line(again)


def test_relations_of_a_published_split_are_read_from_its_file(fewrel: Path, tmp_path: Path) -> None:
    split = tmp_path / "unseen.txt"
    arguments = ("--relations", split, "--data-dir", fewrel)
    split.write_text("P1\nrelation 3\n", encoding="utf-8")
    assert (
        "relation 1, relation 3"
        in harness_here("data", "subset", "fewrel", tmp_path / "a" / "t.json", *arguments).stdout
    )
    split.write_text('["P0"]', encoding="utf-8")
    target = tmp_path / "b" / "t.json"
    assert "3 documents of 1 relations" in harness_here("data", "subset", "fewrel", target, *arguments).stdout
    # GenRDK's tables of unseen relations; the other documents are those that state none of them.
    split.write_text('{"P0": 38, "P2": 66}', encoding="utf-8")
    target = tmp_path / "s" / "train.json"
    seen = harness_here("data", "subset", "fewrel", target, *arguments, "--seen")
    assert "6 documents of 2 relations: relation 1, relation 3" in seen.stdout
    assert {one.labels[0].triplet.relation for one in load_dataset(str(target)).documents} == {"P1", "P3"}
    for content, says in (("P9", "'P9' is no relation of the corpus"), ("\n", "lists no relation")):
        split.write_text(content, encoding="utf-8")
        assert says in error_line(harness_here("data", "subset", "fewrel", tmp_path / "c" / "t.json", *arguments))
    assert "say which relations" in error_line(harness_here("data", "subset", "fewrel", target, "--data-dir", fewrel))


def test_a_run_over_them_asks_about_the_given_pair_and_has_macro_scores(fewrel: Path, tmp_path: Path) -> None:
    target = tmp_path / "m2" / "test.json"
    (tmp_path / "split.txt").write_text("P1\nP3", encoding="utf-8")
    harness_here("data", "subset", "fewrel", target, "--relations", tmp_path / "split.txt", "--data-dir", fewrel)
    # Always the same relation: found three times in six, never the other.
    with ChatServer(lambda _: completion("(E1 | relation 1 | E2)\n(E2 | relation 1 | E1)\nEND")) as server:
        result = run(
            "scripted", "tagged", dataset=str(target), base_url=server.base_url, results=tmp_path / "results",
            constrain="closed", model_options={"probe": "false", "constrain_with": "regex"},
        )  # fmt: skip
    assert result.as_json()["macro"] == {"precision": 0.25, "recall": 0.5, "f1": pytest.approx(1 / 3)}
    assert result.metrics.official.not_candidates == 6
