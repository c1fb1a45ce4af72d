"""The main job from the command line: run, resume, score, leaderboard, with the real command in its own process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import error_line, harness, harness_json

CONTRACT = (
    "precision", "recall", "f1", "ign_f1", "evidence_f1", "intra_f1", "inter_f1", "macro_f1", "pair_f1",
)  # fmt: skip
ANSWER = "(E1 | place of birth | E5)\\n(E1 | capital | E1)\\n(E1 | loves | E2)\\nEND"


@pytest.fixture
def mock_run(tmp_path: Path) -> list[str]:
    """A run on the sample corpus in which the first document gets one right triplet and two rejects."""
    script = tmp_path / "answers.jsonl"
    script.write_text(f'{{"contains": "Ingrid Solheim", "text": "{ANSWER}"}}\n', encoding="utf-8")
    return [
        "run", "--model", "mock", "--prompt", "tagged", "--dataset", "sample", "--constrain", "none",
        "-M", f"answers={script}", "--results-dir", str(tmp_path / "results"),
    ]  # fmt: skip


def test_json_keeps_the_contract(mock_run: list[str]) -> None:
    content = harness_json(*mock_run)
    assert set(CONTRACT) <= content["metrics"].keys()
    assert content["metrics"]["correct"] == 1
    assert content["metrics"]["precision"] == 1.0
    assert content["metrics"]["ign_f1"] is None
    assert all(0 <= content["metrics"][name] <= 1 for name in CONTRACT if name not in ("ign_f1", "evidence_f1"))
    assert content["coverage"] == 1.0
    assert content["rejects"] == {"self_pair": 1, "unknown_relation": 1}
    assert content["usage"]["requests"] == 32, "one of the 33 documents has a single entity"
    assert (Path(content["run_dir"]) / "manifest.json").is_file()
    assert Path(content["run_dir"]).name == content["run_id"]


def test_the_run_folder_explains_every_prediction_and_every_loss(mock_run: list[str]) -> None:
    folder = Path(harness_json(*mock_run)["run_dir"])
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "complete"
    assert len(manifest["question"]["dataset"]["sha256"]) == len(manifest["question"]["prompt"]["sha256"]) == 64
    assert manifest["versions"]["python"]
    assert manifest["hardware"]["cores"] >= 1
    first = json.loads((folder / "documents.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["title"] == "Ingrid Solheim"
    assert first["predictions"] == [[0, "P19", 4, [], None]]
    assert {reject["reason"] for reject in first["rejects"]} == {"self_pair", "unknown_relation"}
    assert first["steps"][0]["messages"][-1]["content"].startswith("Relations:")
    assert first["steps"][0]["text"].startswith("(E1 | place of birth | E5)")
    predictions = json.loads((folder / "predictions.json").read_text(encoding="utf-8"))
    assert predictions == [{"title": "Ingrid Solheim", "h_idx": 0, "t_idx": 4, "r": "P19", "evidence": []}]


def test_the_same_command_again_replays_and_gives_the_same_files(mock_run: list[str]) -> None:
    folder = Path(harness_json(*mock_run)["run_dir"])
    before = {name: (folder / name).read_bytes() for name in ("predictions.json", "metrics.json")}
    assert harness_json(*mock_run)["run_dir"] == str(folder)
    assert before == {name: (folder / name).read_bytes() for name in before}
    sessions = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["sessions"]
    assert [(session["sent"], session["replayed"]) for session in sessions] == [(32, 0), (0, 32)]


def test_scoring_a_stored_run_again_changes_nothing(mock_run: list[str], tmp_path: Path) -> None:
    run = harness_json(*mock_run)
    again = harness_json("score", run["run_id"], "--results-dir", tmp_path / "results")
    assert again["metrics"] == run["metrics"]
    assert again["usage"] == run["usage"]
    submission = harness_json("score", Path(run["run_dir"]) / "predictions.json", "--gold", _sample_file())
    assert submission["metrics"] == run["metrics"]
    assert submission["run_id"] is None


def test_a_training_file_gives_ign_f1(mock_run: list[str], tmp_path: Path) -> None:
    run = harness_json(*mock_run)
    with_train = harness_json("score", run["run_id"], "--train", _sample_file(), "--results-dir", tmp_path / "results")
    assert with_train["metrics"]["ign_f1"] == 0.0, "every fact of the sample is in the sample"


def test_the_leaderboard_ranks_whole_runs_and_lists_partial_ones_apart(mock_run: list[str], tmp_path: Path) -> None:
    harness_json(*mock_run)
    harness_json(*mock_run, "--limit", "3")
    harness_json(*mock_run, "-P", "refs=name")
    arguments = ["leaderboard", "--dataset", "sample", "--results-dir", str(tmp_path / "results"), "--format"]
    (board,) = json.loads(harness(*arguments, "json").stdout)
    assert [(row["rank"], row["prompt"]) for row in board["ranked"]] == [(1, "tagged"), (1, "tagged refs=name")]
    assert [row["reason"] for row in board["unranked"]] == ["partial: 3 of 33 documents"]
    table = harness(*arguments, "table").stdout
    assert "tagged refs=name" in table
    assert "not ranked" in table
    assert harness(*arguments, "csv").stdout.splitlines()[0].startswith("dataset,split,rank,model,prompt,constraint")
    assert "| rank | model |" in harness(*arguments, "markdown").stdout


def test_options_come_from_a_file_and_the_environment_and_flags_win(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        "model: mock\nprompt: tagged\ndataset: sample\nlimit: 5\nprompt-option: {refs: name}\n", encoding="utf-8"
    )
    arguments = ["run", "--config", config, "--results-dir", tmp_path / "results"]
    from_file = harness_json(*arguments)
    assert from_file["statuses"] == {"ok": 5}
    manifest = json.loads((Path(from_file["run_dir"]) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["question"]["prompt"]["options"]["refs"] == "name"
    assert harness_json(*arguments, "--limit", "2")["statuses"] == {"ok": 2}
    no_limit = tmp_path / "short.yaml"
    no_limit.write_text("model: mock\nprompt: tagged\n", encoding="utf-8")
    from_environment = harness_json(
        "run",
        "--config",
        no_limit,
        "--results-dir",
        tmp_path / "results",
        HARNESS_RUN_DATASET="sample",
        HARNESS_RUN_LIMIT="3",
    )
    assert from_environment["statuses"] == {"ok": 3}


def test_keys_come_from_a_dotenv_file(tmp_path: Path) -> None:
    arguments = ["run", "--model", "gpt-4o", "--prompt", "tagged", "--dataset", "sample", "--limit", "1"]
    assert "OPENAI_API_KEY" in error_line(harness(*arguments, cwd=tmp_path))
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-from-file\n", encoding="utf-8")
    reached = harness(*arguments, "--base-url", "http://127.0.0.1:9/v1", "--max-retries", "0", cwd=tmp_path)
    assert "OPENAI_API_KEY" not in reached.stderr


def test_a_dotenv_file_sets_api_keys_and_nothing_else(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    (tmp_path / ".env").write_text(
        f"HARNESS_VLLM_PYTHON={program}\nHARNESS_RUN_BASE_URL=http://127.0.0.1:9/v1\nHTTP_PROXY=http://127.0.0.1:9\n"
        "OPENAI_BASE_URL=http://127.0.0.1:9\nGROQ_API_KEY=${HOME}\n'\x1b[2J'=x\n",
        encoding="utf-8",
    )
    done = harness("run", "--model", "vllm/some/model", "--prompt", "tagged", "-M", "device=cpu", cwd=tmp_path)
    (note,) = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    assert note == (
        "note: .env sets HARNESS_VLLM_PYTHON, HARNESS_RUN_BASE_URL, HTTP_PROXY, OPENAI_BASE_URL, \\x1b[2J: ignored, "
        "only API keys are read from it"
    )
    assert not (tmp_path / "ran").exists()
    found = {one["name"]: one["fine"] for one in json.loads(harness("doctor", "--json", cwd=tmp_path).stdout)}
    assert found["GROQ_API_KEY"]
    (tmp_path / ".env").write_bytes(b"GROQ_API_KEY=a\0b\n")
    assert "cannot be read" in error_line(harness("models", cwd=tmp_path))


def _sample_file() -> Path:
    from harness.datasets.registry import CORPORA

    return CORPORA["sample"].folder / "documents.json"


def test_other_labels_are_scored_against_but_never_stored(mock_run: list[str], tmp_path: Path) -> None:
    run = harness_json(*mock_run)
    stored = (Path(run["run_dir"]) / "metrics.json").read_bytes()
    emptied = json.loads(_sample_file().read_text(encoding="utf-8"))
    for document in emptied[:-1]:
        document["labels"] = []
    other = tmp_path / "other.json"
    other.write_text(json.dumps(emptied), encoding="utf-8")
    arguments = ["score", run["run_id"], "--results-dir", tmp_path / "results"]
    assert harness_json(*arguments, "--gold", other)["metrics"]["precision"] == 0.0
    assert (Path(run["run_dir"]) / "metrics.json").read_bytes() == stored
    other.write_text(json.dumps(emptied[1:]), encoding="utf-8")
    assert "lacks 1 of the run's documents" in error_line(harness(*arguments, "--gold", other))


def test_data_that_changed_since_the_run_is_not_scored(tmp_path: Path) -> None:
    corpus = tmp_path / "mine.json"
    corpus.write_bytes(_sample_file().read_bytes())
    results = tmp_path / "results"
    run = harness_json("run", "--model", "mock", "--prompt", "tagged", "--dataset", corpus, "--results-dir", results)
    corpus.write_text(json.dumps(json.loads(corpus.read_text(encoding="utf-8"))[:5]), encoding="utf-8")
    done = harness("score", run["run_id"], "--results-dir", results)
    assert done.returncode == 2
    assert "its data file mine.json has changed" in error_line(done)


def test_autores_surface_metric_stands_apart(mock_run: list[str], tmp_path: Path) -> None:
    run = harness_json(*mock_run)
    scored = harness_json("score", run["run_id"], "--surface", "--results-dir", tmp_path / "results")
    assert scored["surface"]["surface_precision"] == 1.0
    assert not any(name.startswith("surface") for name in scored["metrics"])


def test_a_training_split_beside_the_data_gives_ign_f1_by_itself(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("dev_revised.json", "train_revised.json"):
        (data / name).write_bytes(_sample_file().read_bytes())
    (data / "rel_info.json").write_bytes((_sample_file().parent / "rel_info.json").read_bytes())
    run = harness_json(
        "run", "--model", "mock", "--prompt", "tagged", "--data-dir", data, "--results-dir", tmp_path / "results"
    )
    assert run["metrics"]["ign_f1"] == 0.0


def test_a_mistake_does_not_take_a_finished_run_away(mock_run: list[str], tmp_path: Path) -> None:
    run = harness_json(*mock_run)
    assert harness(*mock_run, "--max-cost", "1").returncode == 2
    assert harness(*mock_run, "--max-time", "0").returncode in (0, 3)
    again = harness_json("score", run["run_id"], "--results-dir", tmp_path / "results")
    assert again["status"] == "complete"
    assert again["metrics"] == run["metrics"]


def test_a_run_out_of_time_stops_and_goes_on_with_the_same_command(mock_run: list[str]) -> None:
    stopped = harness(*mock_run, "-M", "latency_ms=200", "--max-connections", "1", "--max-time", "0.5")
    assert stopped.returncode == 3
    assert "--max-time 0.5 s is over" in error_line(stopped)
    assert harness_json(*mock_run)["coverage"] == 1.0
