"""The main job with a real model: llama.cpp and SmolLM2 on the sample corpus, from the command line."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.commands import harness, harness_json, start
from tests.embedded import embedded_model_file

RUN = ["run", "--model", "smollm2-135m", "--prompt", "tagged", "--dataset", "sample"]


@pytest.fixture(autouse=True)
def _model_is_here() -> None:
    embedded_model_file()


def test_closed_answers_all_parse_and_hold_no_invalid_triplet(tmp_path: Path) -> None:
    run = harness_json(*RUN, "--limit", "6", "--results-dir", tmp_path)
    assert run["statuses"] == {"ok": 6}
    assert run["rejects"] == {}
    assert run["metrics"]["predicted"] > 0
    assert run["usage"]["cached_tokens"] > 0, "the instruction and the schema are one shared prefix"


def test_format_answers_name_real_entities_and_free_relations(tmp_path: Path) -> None:
    run = harness_json(
        *RUN,
        "--limit",
        "4",
        "--constrain",
        "format",
        "-P",
        "schema=open",
        "--max-triplets",
        "4",
        "--results-dir",
        tmp_path,
    )
    assert set(run["rejects"]) <= {"unknown_relation"}, "only the relation is free"
    assert run["coverage"] == pytest.approx(4 / 33)


def test_unconstrained_answers_never_crash_and_every_loss_has_a_reason(tmp_path: Path) -> None:
    done = harness(
        *RUN,
        "--limit",
        "4",
        "--constrain",
        "none",
        "--max-tokens",
        "120",
        "--results-dir",
        tmp_path,
        "--json",
    )
    assert done.returncode in (0, 1), done.stderr
    run = json.loads(done.stdout)
    assert sum(run["statuses"].values()) == 4
    lines = (Path(run["run_dir"]) / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    for record in map(json.loads, lines):
        assert all(reject["reason"] and reject["text"] for reject in record["rejects"])


def test_a_stopped_run_of_the_embedded_model_resumes(tmp_path: Path) -> None:
    arguments = [*RUN, "--limit", "10", "--results-dir", str(tmp_path)]
    process = start(*arguments)
    journal = tmp_path / "journal.sqlite"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and _answers(journal) < 2:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 3
    stored = _answers(journal)
    assert harness_json(*arguments)["statuses"] == {"ok": 10}
    (manifest,) = tmp_path.glob("runs/*/manifest.json")
    sessions = json.loads(manifest.read_text(encoding="utf-8"))["sessions"]
    assert sessions[-1]["replayed"] == stored
    assert sum(session["sent"] for session in sessions) == 10


def test_option_probabilities_are_read_from_a_real_model_and_scored_again(tmp_path: Path) -> None:
    candidates = tmp_path / "pairs.json"
    candidates.write_text('{"Ingrid Solheim": [[0, 4, ["P19", "P27"]], [0, 3]]}', encoding="utf-8")
    run = harness_json(
        "run", "--model", "smollm2-135m", "--prompt", "choice", "--dataset", "sample", "--limit", "1",
        "--candidates", candidates, "-P", "options=3", "-M", "threads=1", "--results-dir", tmp_path,
    )  # fmt: skip
    assert (run["statuses"], run["rejects"]) == ({"ok": 1}, {})
    assert run["usage"]["completion_tokens"] <= 2 * run["usage"]["requests"], "a letter, then the end"
    (line,) = (Path(run["run_dir"]) / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    answers = json.loads(line)["details"]["answers"]
    assert [len(answer["options"]) for answer in answers] == [3, 4]
    for answer in answers:
        assert sum(answer["probabilities"]) == pytest.approx(1)
        assert all(probability > 0 for probability in answer["probabilities"])
        assert answer["option_mass"] + answer["missing_mass"] <= 1 + 1e-6
    assert harness_json("score", run["run_id"], "--results-dir", tmp_path)["metrics"] == run["metrics"]


def test_tokens_are_counted_by_the_models_own_tokenizer() -> None:
    shown = json.loads(harness("prompts", "show", "tagged", "--json").stdout)
    assert 400 < shown["prompt_tokens"] < 1500


def _answers(journal: Path) -> int:
    import sqlite3
    from contextlib import closing

    if not journal.is_file():
        return 0
    with closing(sqlite3.connect(journal)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
        except sqlite3.OperationalError:
            # The table is being made at this moment.
            return 0
