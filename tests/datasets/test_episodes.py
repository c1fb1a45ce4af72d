"""Few-shot episodes: both public forms, their faults, draws of our own, and the support documents in a prompt."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.analyses.leaderboards import RunFilter
from harness.analyses.leaderboards.unseen import unseen
from harness.analyses.not_ranked import reasons_not_ranked
from harness.datasets.episodes import QUERIES, TEST_RELATIONS, draw_episodes
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.types import Document, Entity, Label, Mention, Triplet
from tests.chat_server import ChatServer, completion
from tests.commands import error_line, harness_here
from tests.datasets.test_every_corpus import HERE

FREDO = HERE / "fredo"


def test_indices_and_documents_are_read_alike() -> None:
    dataset = load_dataset("fredo", "test-1-doc", FREDO)
    assert [one.id for one in dataset.schema.relations] == ["P17", "P25", "P102", "P194"]
    first, second, third, fourth, _ = dataset.documents
    assert first.title == "episode 0, query 0: Grunwede"
    assert first.episode is second.episode is third.episode
    assert first.episode
    assert first.episode.relations == ("P194", "P17")
    assert [(one.title, len(one.labels)) for one in first.episode.support] == [("Port Esmer", 3)]
    # Labels of other relations are not asked about.
    assert [label.triplet.relation for label in second.labels] == ["P17"]
    assert (third.labels, fourth.labels, len(third.entities)) == ((), (), 1)
    (given,) = load_dataset("fredo", "test-3-doc", FREDO).documents
    assert given.title == "episode 0, query 0: untitled"
    assert given.episode
    assert (given.episode.relations, len(given.episode.support)) == (("P17",), 2)
    assert (given.sentences, given.labels) == (second.sentences, second.labels)
    (cross,) = load_dataset("fredo", "cross-1-doc", FREDO).documents
    assert cross.episode
    assert cross.episode.relations == ("PART-OF", "USED-FOR")


def test_titles_may_be_shared_because_those_of_queries_name_the_episode(tmp_path: Path) -> None:
    shutil.copytree(FREDO, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "test_docred.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"title": "Grunwede"', '"title": "Port Esmer"'))
    titles = [one.title for one in load_dataset("fredo", "test-1-doc", tmp_path).documents]
    assert titles[0] == "episode 0, query 0: Port Esmer"
    assert len(set(titles)) == 5


def test_statistics_and_a_document_tell_the_episode() -> None:
    place = ("fredo", "--split", "test-1-doc", "--data-dir", FREDO)
    told = harness_here("data", "stats", *place).stdout
    assert "episodes         2, each with 1 support documents and 2.00 relations" in told
    assert "published        stated labels 65,313 (here 4)" in told
    counted = json.loads(harness_here("data", "stats", *place, "--json").stdout)
    assert (counted["episodes"], counted["support_documents"], counted["asked_relations"]) == (2, 2, 4)
    shown = harness_here("data", "show", *place, "--document", "episode 0, query 0: Grunwede").stdout
    assert "asked about legislative body, country\nsupport: Port Esmer (3 labels)\n" in shown


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"support": [0]', '"support": [9]', "episode 0: support[0]: there is no document 9; they are numbered 0 to 3"),
        ('"P25"]', '"P0"]', "episode 1: labeled_relations[1]: 'P0' is none of the 96 relations of the table"),
        ('"query": [0, 1]', '"queries": [0, 1]', "episode 1: query: is missing; add it"),
        ('"support": [2]', '"support": []', "episode 1: support: is empty; an episode has support documents"),
        ('"query": [0, 1]', '"query": []', "episode 1: query: is empty; an episode has support documents and queries"),
        ('"query": [0, 1]', '"query": [0, 2]', "episode 1: query[1]: is the document of support[0]; take each"),
        ('"query": [0, 1]', '"query": [0, 0]', "episode 1: query[1]: is the document of query[0]; take each"),
        ('["P102", "P25"]', "[]", "episode 1: labeled_relations: is empty; name the relations that the queries"),
    ],
)
def test_a_fault_names_episode_and_field(old: str, new: str, says: str, tmp_path: Path) -> None:
    shutil.copytree(FREDO, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "test_in_domain_1_doc_indices.json"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(f"{path}: {says}")):
        load_dataset("fredo", "test-1-doc", tmp_path)
    (tmp_path / "test_scierc.json").unlink()
    with pytest.raises(InputError, match=re.escape("test_scierc.json: no such file")):
        load_dataset("fredo", "cross-1-doc", tmp_path)


def test_episodes_without_content_are_told(tmp_path: Path) -> None:
    shutil.copytree(FREDO, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "test_in_domain_1_doc_indices.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=r"indices.json: holds no episode; get it whole"):
        load_dataset("fredo", "test-1-doc", tmp_path)
    twice = {"support": [0], "labeled_relations": ["P17", "P17"], "query": [1]}
    path.write_text(json.dumps([twice]), encoding="utf-8")
    (query,) = load_dataset("fredo", "test-1-doc", tmp_path).documents
    assert query.episode
    assert query.episode.relations == ("P17",)
    given = tmp_path / "test_in_domain_3_doc.json"
    (episode,) = json.loads(given.read_text(encoding="utf-8"))
    for key, value, says in (
        ("exemplars", [{**one, "labels": []} for one in episode["exemplars"]], "exemplars: state no relation; label"),
        ("exemplars", [], "exemplars: is empty; an episode has"),
        ("test_examples", episode["exemplars"][:1], r"test_examples\[0\]: is the document of exemplars\[0\]"),
    ):
        given.write_text(json.dumps([{**episode, key: value}]), encoding="utf-8")
        with pytest.raises(InputError, match=f"episode 0: {says}"):
            load_dataset("fredo", "test-3-doc", tmp_path)


def drawable(number: int) -> Document:
    """A document of three entities that states two of the test relations."""
    entities = tuple(Entity((Mention(f"e{one}", 0, one, one + 1, "LOC"),)) for one in range(3))
    relations = (TEST_RELATIONS[number % 4], "P36", TEST_RELATIONS[4 + number % 2])
    labels = tuple(Label(Triplet(place, relation, 2 - place % 2)) for place, relation in enumerate(relations))
    return Document(f"d{number}", (("e0", "e1", "e2", str(number)),), entities, labels)


def test_a_draw_is_seeded_and_goes_by_the_rules_of_the_benchmark() -> None:
    documents = [drawable(number) for number in range(24)]
    drawn = list(draw_episodes(documents, 3, 0, "here"))
    assert [one.title for one in drawn] == [one.title for one in draw_episodes(documents, 3, 0, "here")]
    assert [one.title for one in drawn] != [one.title for one in draw_episodes(documents, 3, 1, "here")]
    assert len(drawn) == 200 * QUERIES
    for start in range(0, len(drawn), QUERIES):
        queries = drawn[start : start + QUERIES]
        episode = queries[0].episode
        assert episode
        asked = set(episode.relations)
        assert asked == {label.triplet.relation for one in episode.support for label in one.labels}
        assert asked <= set(TEST_RELATIONS)
        titles = [one.title.partition(": ")[2] for one in queries]
        assert not {one.title for one in episode.support} & set(titles)
        assert len(set(titles)) == QUERIES
        assert any(one.labels for one in queries)
    with pytest.raises(InputError, match="too few documents for episodes of 30 support documents and 3 queries"):
        list(draw_episodes(documents, 30, 0, "here"))


def test_a_run_shows_the_support_documents_and_is_scored_by_macro_f1(tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        messages = body["messages"]
        assert [one["role"] for one in messages] == ["system", "user", "assistant", "user"]
        asked.append(messages)
        # Every query is answered as a document of its first pair.
        relation = re.findall(r"^- (.+)$", messages[1]["content"], re.MULTILINE)[0]
        return completion(f"(E1 | {relation} | E2)\nEND")

    asked: list[Any] = []
    options = {"probe": "false", "constrain_with": "regex"}
    with ChatServer(answer) as server:
        result = run(
            "scripted", "tagged", dataset="fredo", split="test-1-doc", data_dir=FREDO, base_url=server.base_url,
            results=tmp_path / "results", model_options=options,
        )  # fmt: skip
    # The query with one entity is not asked about.
    assert len(asked) == 4
    said = {one[2]["content"] for one in asked}
    assert said == {
        "(E1 | country | E2)\n(E3 | country | E2)\n(E1 | legislative body | E3)\nEND",
        "(E1 | member of political party | E2)\n(E1 | mother | E4)\nEND",
    }
    assert not [
        one for one in asked if "member of political party" in one[1]["content"] and "country" in one[1]["content"]
    ]
    metrics = result.metrics
    # Country: 1 of 2 predicted right, of 3; legislative body: 0 of 1. Relations that no query states do not count.
    assert metrics.macro == pytest.approx({"precision": 0.25, "recall": 1 / 6, "f1": 0.2})
    assert "few-shot episodes: see its macro F1" in reasons_not_ranked(result, 0.0)
    table = unseen(tmp_path / "results", RunFilter(dataset="fredo", split="test-1-doc"), 0.05)
    assert list(table[["m", "corpus", "model", "f1", "apart"]].itertuples(index=False, name=None)) == [
        (18, "fredo test-1-doc", "scripted", 0.2, "")
    ]
    with_papers = unseen(tmp_path / "results", RunFilter(dataset="fredo"), 0.05)
    papers = with_papers[(with_papers["corpus"] == "fredo test-1-doc") & (with_papers["source"] != "")]
    assert list(papers["model"])[:2] == ["TPN", "DL-MNAV"]
    assert list(papers["source"])[1] == "FREDo, README of its code"


def test_options_that_choose_relations_or_examples_are_refused(tmp_path: Path) -> None:
    config = RunConfig("mock", "tagged", "fredo", "test-1-doc", FREDO, results=tmp_path)
    assert prepare(config).settings.in_episodes
    told = error_line(
        harness_here(
            *("prompts", "show", "tagged", "--dataset", "fredo", "--split", "test-1-doc", "--data-dir", FREDO),
            *("--shots", "1"),
        )
    )
    assert "each episode brings its relations and its support documents: leave out --shots" in told
