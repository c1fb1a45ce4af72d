"""Zero-shot tests on some relations: what is drawn or listed, what is written, and how a run over it is scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import run
from harness.analyses.leaderboards import RunFilter
from harness.analyses.leaderboards.unseen import unseen
from harness.datasets.registry import load_dataset
from harness.training.unseen import UnseenJob, _test_set
from harness.types import PairScores
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
    assert "3 documents of 1 relation: " in harness_here("data", "subset", "fewrel", target, *arguments).stdout
    # GenRDK's tables of unseen relations; the other documents are those that state none of them.
    split.write_text('{"P0": 38, "P2": 66}', encoding="utf-8")
    target = tmp_path / "s" / "train.json"
    seen = harness_here("data", "subset", "fewrel", target, *arguments, "--seen")
    assert "6 documents of 2 relations: relation 1, relation 3" in seen.stdout
    assert {one.labels[0].triplet.relation for one in load_dataset(str(target)).documents} == {"P1", "P3"}
    for content, says in (
        ("P9", "'P9' is no relation of the corpus"),
        ("\n", "lists no relation"),
        ('["P0", 0]', "lists '0' as a relation; write each id or name as a text"),
    ):
        split.write_text(content, encoding="utf-8")
        assert says in error_line(harness_here("data", "subset", "fewrel", tmp_path / "c" / "t.json", *arguments))
    assert "say which relations" in error_line(harness_here("data", "subset", "fewrel", target, "--data-dir", fewrel))


def test_published_documents_without_a_table_take_the_names_of_the_split(tmp_path: Path) -> None:
    """As GenRDK's: documents with the labels of all relations, and a table of the unseen ones apart."""
    entity = [[{"name": "Ann", "sent_id": 0, "pos": [0, 1], "type": "PER"}]]
    other = [[{"name": "Bob", "sent_id": 0, "pos": [2, 3], "type": "PER"}]]
    document = {"title": "d", "sents": [["Ann", "knows", "Bob"]], "vertexSet": entity + other}
    labels = [{"h": 0, "t": 1, "r": relation, "evidence": []} for relation in ("P17", "P86")]
    source = tmp_path / "test_unseen.json"
    source.write_text(json.dumps([{**document, "labels": labels}]), encoding="utf-8")
    split = tmp_path / "unseenrel2id_info.json"
    split.write_text('{"P86": "composer"}', encoding="utf-8")
    done = harness_here("data", "subset", source, tmp_path / "t" / "test.json", "--relations", split)
    assert "1 document of 1 relation: composer" in done.stdout
    split.write_text('{"P86": "composer", "P17": "composer"}', encoding="utf-8")
    twice = harness_here("data", "subset", source, tmp_path / "u" / "test.json", "--relations", split)
    assert "P17 and P86 have one name, 'composer'; rename one" in error_line(twice)
    (tmp_path / "rel_info.json").write_text('{"P17": "country", "P86": "composer", "P54": "team"}', encoding="utf-8")
    split.write_text("P54\nP86", encoding="utf-8")
    told = harness_here("data", "subset", source, tmp_path / "v" / "test.json", "--relations", split)
    assert "note: no document states team" in told.stderr


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


def test_a_pair_of_one_relation_is_one_choice_and_the_runs_stand_beside_papers_rows(
    fewrel: Path, tmp_path: Path
) -> None:
    """Splits of published form: two relations, two seeds, a model that always takes the second option."""
    asked: list[str] = []

    def second(body: dict[str, Any]) -> dict[str, Any]:
        asked.append("\n".join(message["content"] for message in body["messages"]))
        return completion("B")

    sentence = {"tokens": ["Ann", "knows", "Bob"], "head": [0], "tail": [2]}
    lines = [{"triplets": [{**sentence, "label_id": f"P{r}", "label": f"relation {r}"}]} for r in (1, 3, 1)]
    for seed in (0, 1):
        path = fewrel / f"unseen_5_seed_{seed}" / "test.jsonl"
        path.parent.mkdir()
        path.write_text("".join(json.dumps(one) + "\n" for one in lines[seed:]), encoding="utf-8")
    options = {
        "dataset": "fewrel", "data_dir": fewrel, "results": tmp_path / "results", "candidates": "all",
        "relation_texts": "names",
        "prompt_options": {"logprobs": "0"}, "model_options": {"probe": "false", "constrain_with": "regex"},
    }  # fmt: skip
    with ChatServer(second) as server:
        for seed in (0, 1):
            result = run(
                "scripted", "single-choice", split=f"m5-seed-{seed}", base_url=server.base_url,
                **options,
            )  # fmt: skip
    assert result.folder.run_id.startswith("fewrel-m5_seed_1-scripted-single_choice")
    assert {one.id for one in load_dataset("fewrel", "m5-seed-1", fewrel).documents[0].unseen} == {"P1", "P3"}
    assert 'B. The relation "relation 3" holds from Ann (ENTITY) to Bob (ENTITY).' in asked[0]
    assert "Exactly one of them is true." in asked[0]
    assert "None of the above" not in asked[0]
    table = unseen(tmp_path / "results", RunFilter(dataset="fewrel"), 0.05)
    (ours,) = table[table["source"] == ""].to_dict("records")
    # Seed 0: P3 is right once of three; seed 1: P3 comes first, so the second option is P1, right once of two.
    assert (ours["m"], ours["corpus"], ours["seeds"]) == (5, "fewrel", 2)
    # The files of this test hold fewer relations than their names say.
    assert ours["apart"] == "states 2 relations, not 5"
    assert ours["precision"] == pytest.approx((1 / 3 / 2 + 1 / 2 / 2) / 2)
    assert ours["recall"] == pytest.approx(0.5)
    assert ours["f1"] == pytest.approx((1 / 2 / 2 + 2 / 3 / 2) / 2)
    gpt = table[(table["model"] == "GPT-4o") & (table["m"] == 5)].to_dict("records")
    assert [(one["recall"], one["f1"]) for one in gpt] == [(0.8305, 0.892)]
    done = harness_here("leaderboard", "--unseen", "--results-dir", tmp_path / "results", "--format", "markdown")
    settings = "single-choice logprobs=0 candidates=all relation-texts=names"
    assert f"| 5 | fewrel | scripted | {settings} | closed | none | openai_api | 2 |" in done.stdout
    refused = harness_here("leaderboard", "--unseen", "--across", "--results-dir", tmp_path / "results")
    assert "has columns and rows of its own" in error_line(refused)


def test_runs_over_unseen_relations_that_were_asked_differently_are_rows_of_their_own(
    fewrel: Path, tmp_path: Path
) -> None:
    """None hides another, and no mean goes over two of them; the filters of the board hold."""
    asked: list[dict[str, Any]] = [{}, {"constrain": "none"}, {"max_triplets": 3}, {"limit": 4}]
    with ChatServer(lambda _: completion("(E1 | relation 1 | E2)\nEND")) as server:
        for more in asked:
            run(
                "scripted", "tagged", dataset="fewrel", split="dev-m5-seed-0", base_url=server.base_url,
                data_dir=_with_five_relations(fewrel), results=tmp_path / "results",
                model_options={"probe": "false", "constrain_with": "regex"}, **more,
            )  # fmt: skip
    results = tmp_path / "results"
    ours = unseen(results, RunFilter(dataset="fewrel"), 0.05).query("source == ''")
    told = sorted(zip(ours["prompt"], ours["constraint"], ours["seeds"], ours["apart"] == "", strict=True))
    assert told == [
        ("tagged", "closed", 1, False),
        ("tagged", "closed", 1, True),
        ("tagged", "none", 1, True),
        ("tagged max-triplets=3", "closed", 1, True),
    ]
    one = unseen(results, RunFilter(dataset="fewrel", constraint="none"), 0.05).query("source == ''")
    assert list(one["constraint"]) == ["none"]
    assert unseen(results, RunFilter(dataset="fewrel", prompt="choice*"), 0.05).query("source == ''").empty


def _with_five_relations(fewrel: Path) -> Path:
    sentences = json.loads((fewrel / "val_wiki.json").read_text(encoding="utf-8"))
    sentences["P4"] = sentences["P3"]
    (fewrel / "val_wiki.json").write_text(json.dumps(sentences), encoding="utf-8")
    names = {f"P{r}": [f"relation {r}", "..."] for r in range(5)}
    (fewrel / "pid2name.json").write_text(json.dumps(names), encoding="utf-8")
    return fewrel


def test_an_encoder_takes_the_best_relation_of_each_candidate_pair() -> None:
    scores = np.array([[0.1, 0.3, 2.0], [1.0, 0.0, 0.5], [0.0, 0.0, 1.0]])
    found = PairScores("t", ("P1", "P2"), np.array([[0, 1], [1, 0], [0, 2]]), scores).best([(0, 1), (1, 0)])
    assert [(tuple(one.triplet), one.score) for one in found] == [((0, "P2", 1), -1.7), ((1, "P1", 0), 0.5)]


def test_a_subset_keeps_what_labels_call_unrelated_and_is_never_empty(tmp_path: Path) -> None:
    data = tmp_path / "cdr"
    data.mkdir()
    (data / "dev.data").write_bytes((Path(__file__).parent / "corpora" / "dev.data").read_bytes())
    place = ("--data-dir", data)
    done = harness_here("data", "subset", "cdr:dev-filtered", tmp_path / "one" / "dev.json", "-m", "1", *place)
    assert done.returncode == 0, done.stderr
    before = {one.title: one for one in load_dataset("cdr", "dev-filtered", data).documents}
    for document in load_dataset(str(tmp_path / "one" / "dev.json")).documents:
        assert document.unrelated == before[document.title].unrelated
        assert document.candidates == before[document.title].candidates
    nothing = harness_here("data", "subset", "cdr:dev", tmp_path / "two" / "dev.json", "-m", "1", "--seen", *place)
    assert "cdr:dev: no relation is left; choose others" in error_line(nothing)
    assert not (tmp_path / "two").exists()
    told = error_line(harness_here("data", "show", "cdr:dev", *place))
    assert "cdr:dev: one corpus is named here, and its split apart: cdr with --split dev" in told
