"""A corpus is predicted by blocks: checkpointed, resumed after a kill, and not stopped by what cannot be read."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from tests.chat_server import ChatServer, completion
from tests.commands import harness_here, start
from tests.corpora import write_corpus
from tests.runs.test_interruption import wait_until

PLAIN = ("-M", "probe=false", "-M", "constrain_with=regex", "--max-connections", "4", "--display", "none")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """JSON lines with gold labels, which no prediction may look at."""
    documents = json.loads(write_corpus(tmp_path / "corpus", 30).read_text(encoding="utf-8"))
    path = tmp_path / "corpus" / "corpus.jsonl"
    path.write_text("".join(f"{json.dumps(one)}\n" for one in documents), encoding="utf-8")
    return path


def by_size(body: dict[str, Any]) -> dict[str, Any]:
    """An answer that depends on the prompt."""
    relation = "capital" if len(body["messages"][-1]["content"]) % 2 else "country"
    return completion(f"(E1 | {relation} | E2)\nEND")


def command(source: object, out: Path, server: ChatServer, *more: str) -> list[str]:
    return [
        "predict", str(source), "--model", "scripted", "--prompt", "tagged", "--base-url", server.base_url, *PLAIN,
        "--schema", str(out.parent / "corpus" / "rel_info.json"), "--out", str(out), "--block-documents", "4",
        "--results-dir", str(out.parent / "results"), *more,
    ]  # fmt: skip


def rows(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parquet.read_table(out).to_pylist()
    return found


def test_a_killed_prediction_resumes_to_the_same_content(corpus: Path, tmp_path: Path) -> None:
    with ChatServer(rule=by_size) as server:
        calm = harness_here(*command(corpus, tmp_path / "calm", server, "--json"))
        assert calm.returncode == 0, calm.stderr
        assert json.loads(calm.stdout)["statuses"] == {"ok": 30}
    with ChatServer(rule=by_size, latency_s=0.02) as server:
        arguments = command(corpus, tmp_path / "killed", server, "--results-dir", str(tmp_path / "other"))
        process = start(*arguments)
        wait_until(lambda: server.answered.total() >= 14)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        resumed = harness_here(*arguments, "--json")
        assert json.loads(resumed.stdout)["done_before"] >= 8
        assert server.answered.total() <= 30 + 4, "what had come back is in the journal"
    assert rows(tmp_path / "killed") == rows(tmp_path / "calm")
    first = rows(tmp_path / "calm")[0]
    assert (first["row"], first["title"], first["status"]) == (0, "Document 0", "ok")
    assert first["triplets"][0]["relation"] in ("P17", "P36")
    assert first["triplets"][0]["head_name"] == "Town0"


def test_a_bad_row_names_its_place_and_stops_nothing(corpus: Path, tmp_path: Path) -> None:
    lines = corpus.read_text(encoding="utf-8").splitlines()
    lines[5], lines[17] = '{"title": "cut', lines[17].replace('"sent_id": 0', '"sent_id": 7')
    corpus.write_text("\n".join(lines), encoding="utf-8")
    (corpus.parent / "corpus.json").write_text("[{]", encoding="utf-8")
    (corpus.parent / "more.parquet").write_bytes(b"PAR1")
    with ChatServer() as server:
        done = harness_here(*command(corpus.parent, tmp_path / "out", server, "--json"))
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert result["statuses"] == {"ok": 28, "bad_input": 2}
    assert {Path(one.split(":")[0]).name for one in result["failures"]} == {"corpus.json", "more.parquet"}
    bad = {row["row"]: row["error"] for row in rows(tmp_path / "out") if row["status"] == "bad_input"}
    assert "row 5" in bad[5]
    assert "row 17 ('Document 17')" in bad[17]


def test_parquet_json_and_other_file_systems_are_read_alike(corpus: Path, tmp_path: Path) -> None:
    documents = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    parquet.write_table(pa.Table.from_pylist(documents), tmp_path / "corpus.parquet", row_group_size=7)
    with fsspec.open("memory://bucket/corpus.jsonl", "w") as file:
        file.write(corpus.read_text(encoding="utf-8"))
    sources = {"lines": corpus, "list": corpus.with_suffix(".json"), "parquet": tmp_path / "corpus.parquet"}
    with ChatServer(rule=by_size) as server:
        for name, source in {**sources, "remote": "memory://bucket/*.jsonl"}.items():
            assert harness_here(*command(source, tmp_path / name, server)).returncode == 0
        assert server.answered.total() == 30, "the same documents have the same answers"
        other = harness_here(*command(corpus, tmp_path / "list", server))
        assert other.returncode == 2
        assert "another input" in other.stderr
    found = [[(row["title"], row["triplets"]) for row in rows(tmp_path / name)] for name in (*sources, "remote")]
    assert all(one == found[0] for one in found)


def test_what_was_added_to_the_input_is_predicted(corpus: Path, tmp_path: Path) -> None:
    documents = corpus.read_text(encoding="utf-8").splitlines(keepends=True)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "b.jsonl").write_text("".join(documents[:6]), encoding="utf-8")

    def predicted() -> list[tuple[str, str]]:
        done = harness_here(*command(folder, out, server))
        assert done.returncode == 0, done.stderr
        return [(Path(row["file"]).name, row["title"]) for row in rows(out)]

    with ChatServer(rule=by_size) as server:
        assert predicted() == [("b.jsonl", f"Document {number}") for number in range(6)]
        (folder / "b.jsonl").write_text("".join(documents[:7]), encoding="utf-8")
        assert predicted()[6:] == [("b.jsonl", "Document 6")]
        (folder / "a.jsonl").write_text("".join(documents[20:26]), encoding="utf-8")
        assert predicted() == [
            *(("a.jsonl", f"Document {number}") for number in range(20, 26)),
            *(("b.jsonl", f"Document {number}") for number in range(7)),
        ]
        (folder / "a.jsonl").unlink()
        gone = harness_here(*command(folder, out, server))
    assert "part-00001-0000000000.parquet, which is of no rows that" in gone.stderr
    assert gone.returncode == 2


def test_lines_with_a_mark_blank_lines_and_a_list_are_read(corpus: Path, tmp_path: Path) -> None:
    documents = corpus.read_text(encoding="utf-8").splitlines()[:9]
    marked, listed = tmp_path / "marked.jsonl", tmp_path / "listed.jsonl"
    marked.write_text("\n\n".join(documents[:6]) + "\n\n", encoding="utf-8-sig")
    listed.write_text(f"[{','.join(documents[:6])}]", encoding="utf-8-sig")
    with ChatServer(rule=by_size) as server:
        for path in (marked, listed):
            done = harness_here(*command(path, tmp_path / path.stem, server, "--json"))
            assert json.loads(done.stdout)["statuses"] == {"ok": 6}, done.stderr
    assert [row["row"] for row in rows(tmp_path / "marked")] == list(range(6))
    assert rows(tmp_path / "marked")[5]["title"] == "Document 5"


def test_candidate_pairs_count_in_every_form(tmp_path: Path) -> None:
    documents = json.loads(write_corpus(tmp_path / "corpus", 2).read_text(encoding="utf-8"))
    content = [{**one, "candidate_pairs": [[0, 1]]} for one in documents]
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    parquet.write_table(pa.Table.from_pylist(content), tmp_path / "b.parquet")
    found = []
    for name in ("a.json", "b.parquet"):
        out = tmp_path / f"out-{name}"
        done = harness_here(
            *("predict", tmp_path / name, "--model", "glidre-minilm", "--out", out, "-M", "threshold=0.001"),
            *("--display", "none"),
        )
        assert done.returncode == 0, done.stderr
        found.append([{(one["head"], one["tail"]) for one in row["triplets"]} for row in rows(out)])
    assert found[0] == found[1] == [{(0, 1)}, {(0, 1)}]
