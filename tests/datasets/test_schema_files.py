"""Schema files: what the relations are and mean in one file; drafts are marked, and refused where they were counted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.datasets.registry import load_dataset
from harness.datasets.relation_table import read_schema
from harness.errors import InputError
from harness.prompting.relations import read_relation_texts, relation_texts_for
from tests.chat_server import ChatServer, completion
from tests.commands import error_line, harness_here
from tests.corpora import write_corpus


def test_a_model_drafts_what_relations_mean(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "train", 4)
    asked: list[str] = []

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        asked.append(body["messages"][-1]["content"])
        if '"country"' in asked[-1]:
            return completion("Description: The head lies in the tail, a state.\nStatement: {head} lies in {tail}.")
        return completion("Description: The head is near the tail.\nStatement: {head} is near it.")

    schema = tmp_path / "schema.toml"
    with ChatServer(answer) as server:
        arguments = ("--model", "openai/any", "--base-url", server.base_url, "-M", "probe=false")
        done = harness_here("schema", "new", corpus, schema, *arguments)
    assert done.stdout == f"{schema}: a draft of 4 relations, 1 with texts by openai/any; rewrite its texts\n"
    assert len(asked) == 4
    assert any("from head to tail: " in one and " -> " in one for one in asked)
    texts = read_relation_texts(schema)
    assert texts["P17"].description == "DRAFT, to be written over: The head lies in the tail, a state."
    assert texts["P17"].statement == "{head} lies in {tail}."
    assert texts["P36"].statement == "The relation of {head} to {tail} is: capital."
    assert "# 1 descriptions and statements were drafted by openai/any." in schema.read_text(encoding="utf-8")


def test_a_draft_is_counted_marked_and_serves_as_schema(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus = write_corpus(tmp_path / "train", 12)
    schema = tmp_path / "train" / "schema.toml"
    done = harness_here("schema", "new", corpus, schema)
    assert done.stdout == f"{schema}: a draft of 4 relations; rewrite its texts\n"
    assert "a draft, whose texts are to be rewritten" in harness_here("schema", "check", schema).stdout
    texts = read_relation_texts(schema)
    assert all(text.description.startswith("DRAFT") for text in texts.values())
    assert {text.head_types for text in texts.values()} == {("LOC",)}
    assert "is there already" in error_line(harness_here("schema", "new", corpus, schema))
    # Beside documents, it is their schema, in place of rel_info.json, and its texts are theirs.
    (tmp_path / "train" / "rel_info.json").unlink()
    dataset = load_dataset(str(corpus))
    assert {one.id: one.name for one in dataset.schema.relations}["P131"] == "located in the administrative unit"
    assert relation_texts_for(dataset.schema).by_id == texts
    with pytest.raises(InputError, match="a draft from the labels of these very documents"):
        run("mock", "tagged", dataset=str(corpus), constrain="typed", results=tmp_path / "results")
    other = write_corpus(tmp_path / "test", 3, seed=1)
    shutil.copy(schema, other.parent)
    result = run("mock", "tagged", dataset=str(other), constrain="typed", results=tmp_path / "results")
    assert result.manifest.statuses == {"ok": 3}
    assert "warning: the relation texts are a draft" in caplog.text


def test_a_relation_for_none_and_odd_names_are_drafted_and_read(tmp_path: Path) -> None:
    mention = {"pos": [0, 1], "sent_id": 0, "type": "CHEM"}
    document = {
        "title": "T", "sents": [["a", "b"]],
        "vertexSet": [[{"name": "a", **mention}], [{"name": "b", **mention, "pos": [1, 2]}]],
        "labels": [{"h": 0, "t": 1, "r": 'is "{near}"', "evidence": []}, {"h": 1, "t": 0, "r": "NR", "evidence": []}],
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps([document]), encoding="utf-8")
    (tmp_path / "rel_info.json").write_text(
        json.dumps({'is "{near}"': "", "NR": "NR"} | {'is "{near}"': 'is "{near}"'})
    )
    assert harness_here("schema", "new", tmp_path / "c.json", tmp_path / "schema.toml").returncode == 0
    schema = read_schema(tmp_path / "schema.toml")
    assert ([one.name for one in schema.relations], schema.none) == (['is "{near}"'], ("NR",))
    (text,) = read_relation_texts(tmp_path / "schema.toml").values()
    assert text.state("x", "y") == 'The relation of x to y is: is "(near)".'
    (tmp_path / "schema.toml").unlink()
    (tmp_path / "rel_info.json").write_text(json.dumps({'is "{near}"': "near", "NR": "NR", "entity_types": "of type"}))
    refused = harness_here("schema", "new", tmp_path / "c.json", tmp_path / "other.toml")
    assert "the relation entity_types has the name of a key of schema files; rename it" in error_line(refused)
    assert load_dataset(str(tmp_path / "c.json")).schema.none == ("NR",)


def test_a_fault_of_a_schema_file_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "schema.toml"
    for content, says in (
        ("[P1\n", "cannot be read"),
        ('entity_types = "CHEM"\n', "entity_types: must be a list of names"),
        ('entity_types = ["CHEM"]\n[P1]\nname = "near"\n', "relation P1: description: Field required"),
    ):
        file.write_text(content, encoding="utf-8")
        assert says in error_line(harness_here("schema", "check", file))
    file.write_text("drafted_from = 3\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no relation"):
        read_schema(file)
