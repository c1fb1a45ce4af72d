"""`harness annotate` in a process of its own: what it writes, counts, refuses and resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.datasets.registry import load_dataset
from tests.annotation.gold import as_plain, entity_answer, relation_answer
from tests.annotation.test_method import UNAMBIGUOUS
from tests.chat_server import ChatServer, Fault, completion
from tests.commands import error_line, harness, harness_json
from tests.embedded import embedded_model_file

SCHEMA = load_dataset("sample").schema
# Without "&" and "|", which prompts spell otherwise: the mock finds a text by its first sentence.
GOLD = UNAMBIGUOUS[1:4]


@pytest.fixture
def arguments(tmp_path: Path) -> list[str | Path]:
    """Three texts that are answered perfectly, and one each of every kind that is dropped."""
    texts = [{"title": document.title, "text": as_plain(document).text} for document in GOLD]
    answers = []
    for document in GOLD:
        opening = " ".join(document.sentences[0])
        answers.append((opening, entity_answer(document), "stop"))
        answers.append((f"E1: {document.entities[0].name} (", relation_answer(document, SCHEMA), "stop"))
    dropped = {
        "Malformed text.": ('{"entities": [{"type": "PER", "mentions": ["Mal', "stop"),
        "Truncated text.": ('{"entities": [{"type": "PER", "mentions": ["Trun', "length"),
        "Ungrounded text.": ('{"entities": [{"type": "PER", "mentions": ["Nobody"]}]}', "stop"),
    }
    texts.append({"title": "Long", "text": " ".join(f"Long text {number}." for number in range(500))})
    answers.append(("Long text", '{"entities": [{"type": "MISC", "mentions": ["Long text"]}]}', "stop"))
    for number, (text, (answer, ending)) in enumerate(dropped.items()):
        texts.append({"title": f"Dropped {number}", "text": text})
        answers.append((text, answer, ending))
    source, script = tmp_path / "texts.jsonl", tmp_path / "answers.jsonl"
    source.write_text("".join(json.dumps(one) + "\n" for one in texts), encoding="utf-8")
    lines = [{"contains": one, "text": answer, "finish_reason": ending} for one, answer, ending in answers]
    script.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return [
        "annotate", source, "--model", "mock", "--constrain", "none", "-M", f"answers={script}",
        "--results-dir", tmp_path / "results",
    ]  # fmt: skip


def corpus_of(done: dict[str, Any]) -> Path:
    return Path(done["out"])


def test_whole_answers_are_written_and_all_others_counted(arguments: list[str | Path]) -> None:
    done = harness_json(*arguments)
    assert done["documents"] == 7
    assert (done["written"]["documents"], done["details"]["parts"]) == (4, 3)
    assert done["dropped"] == {"invalid_output": 1, "truncated": 1, "without_entities": 1}
    assert done["rejects"] == {"truncated_line": 2, "ungrounded_mention": 1, "entity_without_mention": 1}
    written = load_dataset(done["out"])
    *documents, long = written.documents
    assert [document.title for document in documents] == [document.title for document in GOLD]
    assert [len(entity.mentions) for entity in long.entities] == [500], "three parts are one document"
    for document, gold in zip(documents, GOLD, strict=True):
        assert [entity.names for entity in document.entities] == [entity.names for entity in gold.entities]
        assert {label.triplet for label in document.labels} == {label.triplet for label in gold.labels}
    assert "4 documents, all valid" in harness("data", "validate", done["out"]).stdout


def test_what_is_asked_and_written_can_be_filtered(arguments: list[str | Path]) -> None:
    every = harness_json(*arguments)
    done = harness_json(*arguments, "--max-words", 400, "--min-triplets", 1)
    assert (done["documents"], done["written"]["documents"]) == (6, 3)
    assert done["run_id"] != every["run_id"]
    few = harness_json(*arguments, "--min-triplets", 1)
    assert (few["documents"], few["dropped"]["few_triplets"]) == (7, 1)


def test_the_same_command_asks_nothing_again_and_writes_the_same(arguments: list[str | Path]) -> None:
    first = harness_json(*arguments)
    content = corpus_of(first).read_bytes()
    second = harness_json(*arguments)
    assert (second["out"], corpus_of(second).read_bytes()) == (first["out"], content)
    manifest = json.loads((Path(second["run_dir"]) / "manifest.json").read_text(encoding="utf-8"))
    assert [(one["sent"], one["replayed"]) for one in manifest["sessions"]] == [(12, 0), (0, 12)]


def test_an_open_schema_writes_the_relations_that_occurred(arguments: list[str | Path], tmp_path: Path) -> None:
    out = tmp_path / "corpus" / "mine.json"
    done = harness_json(*arguments, "--schema", "open", "--out", out)
    table = json.loads((out.parent / "rel_info.json").read_text(encoding="utf-8"))
    names = {SCHEMA.by_id[label.triplet.relation].name for document in GOLD for label in document.labels}
    assert table == {name.replace(" ", "_"): name for name in table.values()}
    assert set(table.values()) == names
    assert done["written"]["relations"] == len(table) == len(load_dataset(str(out)).schema.relations)


def test_another_corpus_is_never_overwritten(arguments: list[str | Path], tmp_path: Path) -> None:
    (tmp_path / "rel_info.json").write_text('{"P1": "mine"}', encoding="utf-8")
    done = harness(*arguments, "--out", tmp_path / "new.json")
    assert done.returncode == 2
    assert "folder of its own" in error_line(done)
    assert (tmp_path / "rel_info.json").read_text(encoding="utf-8") == '{"P1": "mine"}'


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--schema", "none.json"], "--schema none.json"),
        (["--schema", "open", "--constrain", "closed"], "--schema open"),
        (["--prompt", "tagged"], "does not annotate"),
        (["--model", "atlop-minilm"], "atlop-minilm is an encoder, which relates entities that are marked already"),
        (["--out", "x.txt"], ".json"),
        (["-P", "max_words=0"], "max_words"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str | Path], more: list[str], told: str) -> None:
    done = harness(*arguments, *more)
    assert done.returncode == 2
    assert told in error_line(done)


def test_the_prompt_is_not_for_documents_with_entities(tmp_path: Path) -> None:
    done = harness(
        "run", "--model", "mock", "--prompt", "annotate", "--dataset", "sample", "--results-dir", tmp_path
    )  # fmt: skip
    assert done.returncode == 2
    assert "harness annotate" in error_line(done)


def test_a_real_model_s_constrained_answers_make_a_valid_corpus(tmp_path: Path) -> None:
    embedded_model_file()
    (tmp_path / "texts").mkdir()
    for name, text in {"a": "Mary Berg was born in Oslo. She died in Rome.", "b": "Bo Lind lives in Paris."}.items():
        (tmp_path / "texts" / f"{name}.txt").write_text(text, encoding="utf-8")
    done = harness_json(
        "annotate", tmp_path / "texts", "--model", "smollm2-135m", "--results-dir", tmp_path / "results",
        "--max-triplets", "3", "-P", "max_entities=3", "-P", "max_mentions=2",
    )  # fmt: skip
    assert done["documents"] == done["written"]["documents"] + sum(done["dropped"].values()) == 2
    assert set(done["dropped"]) <= {"without_entities"}, "a constrained answer is whole"
    assert set(done["rejects"]) <= {
        "ungrounded_mention",
        "covered_mention",
        "ambiguous_mention",
        "entity_without_mention",
    }
    assert len(load_dataset(done["out"]).documents) == done["written"]["documents"]


def test_every_document_says_which_model_labelled_it(arguments: list[str | Path]) -> None:
    documents = json.loads(corpus_of(harness_json(*arguments)).read_text(encoding="utf-8"))
    assert [document["label_source"] for document in documents] == [{"kind": "model", "name": "mock"}] * 4


def test_an_annotation_without_any_whole_answer_fails(arguments: list[str | Path], tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('{"contains": "text", "text": "{", "finish_reason": "stop"}\n')
    done = harness(*arguments, "-P", "max_words=1", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["failures"][0]["status"] == "context_overflow"
    assert "7 of 7 documents without a full answer: 7 context_overflow" in done.stderr


def test_a_stop_leaves_the_finished_documents_and_the_same_command_goes_on(
    arguments: list[str | Path], tmp_path: Path
) -> None:
    out, columns = tmp_path / "corpus" / "mine.json", tmp_path / "corpus" / "mine.parquet"
    outs = ("--out", out, "--out", columns)
    slow = ("-M", "latency_ms=700", "--max-connections", 1, "--max-time", 5)
    stopped = harness(*arguments, *outs, *slow)
    assert stopped.returncode == 3
    left = [tmp_path / "corpus" / f"mine.partial{suffix}" for suffix in (".json", ".parquet")]
    assert f"in {left[0]}, {left[1]} until all are" in error_line(stopped)
    assert sorted(one.name for one in out.parent.iterdir()) == [
        "mine.partial.json",
        "mine.partial.parquet",
        "rel_info.json",
    ]
    for file in left:
        titles = [one.title for one in load_dataset(str(file)).documents]
        assert titles == [one.title for one in GOLD][: len(titles)]
        assert (
            f"{len(titles)} documents, all valid; silver: labels written by a model"
            in harness("data", "validate", file).stdout
        )
    done = harness_json(*arguments, *outs)
    assert done["written"]["documents"] == 4
    assert sorted(one.name for one in out.parent.iterdir()) == ["mine.json", "mine.parquet", "rel_info.json"]
    manifest = json.loads((Path(done["run_dir"]) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["sessions"][1]["replayed"] == manifest["sessions"][0]["sent"] > 1
    table = (out.parent / "rel_info.json").read_text(encoding="utf-8")
    again = harness(*arguments, *outs, "--schema", "open", "--constrain", "none", *slow[:-1], 1)
    assert (again.returncode, (out.parent / "rel_info.json").read_text(encoding="utf-8")) == (3, table)
    assert sorted(one.name for one in out.parent.iterdir()) == ["mine.json", "mine.parquet", "rel_info.json"]


def test_documents_that_ended_before_an_earlier_one_are_left_in_the_order_of_the_texts(tmp_path: Path) -> None:
    source, out = tmp_path / "texts.jsonl", tmp_path / "corpus" / "mine.json"
    texts = [{"title": document.title, "text": as_plain(document).text} for document in GOLD]
    source.write_text("".join(json.dumps(one) + "\n" for one in texts), encoding="utf-8")

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        asked = body["messages"][-1]["content"]
        gold = next(
            one for one in GOLD if " ".join(one.sentences[0]) in asked or f"E1: {one.entities[0].name} (" in asked
        )
        is_second = f"E1: {gold.entities[0].name} (" in asked
        return completion(relation_answer(gold, SCHEMA) if is_second else entity_answer(gold))

    def first_waits(_number: int, body: dict[str, Any]) -> Fault | None:
        return Fault("status", 500) if " ".join(GOLD[0].sentences[0]) in body["messages"][-1]["content"] else None

    with ChatServer(answer, first_waits) as server:
        stopped = harness(
            "annotate", source, "--model", "scripted", "--base-url", server.base_url, "--constrain", "none",
            "-M", "probe=false", "--max-time", 6, "--max-retries", 100, "--out", out, "--results-dir",
            tmp_path / "results",
        )  # fmt: skip
    assert stopped.returncode == 3, stopped.stderr
    assert "2 documents are in" in error_line(stopped)
    left = load_dataset(str(out.with_name("mine.partial.json"))).documents
    assert [one.title for one in left] == [one.title for one in GOLD[1:]]
