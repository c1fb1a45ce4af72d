"""Alignment from the command line: run, score and sweep, with the real MiniLM and a scripted model."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands import error_line, harness, harness_json
from tests.minilm import minilm_folder

STATED = "(E1 | place of birth | E5)\n(E1 | was born in the city | E5)\n(E2 | is employed by | E3)\n"
OUTSIDE = "(E1 | employs | E4)\n(E1 | zzz qqq | E2)\n(E1 | - | E2)\nEND"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """A run on three documents of the sample; the first is answered with relations in and outside the schema."""
    minilm_folder()
    script = tmp_path / "answers.jsonl"
    script.write_text(json.dumps({"contains": "Ingrid Solheim", "text": STATED + OUTSIDE}) + "\n", encoding="utf-8")
    return [
        "run", "--model", "mock", "--prompt", "tagged", "--dataset", "sample", "--constrain", "none", "--limit", "3",
        "-M", f"answers={script}", "--results-dir", str(tmp_path / "results"),
    ]  # fmt: skip


def manifest_of(run: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(run["run_dir"]) / "manifest.json").read_text(encoding="utf-8"))
    return content


def files_of(run: dict[str, Any]) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in Path(run["run_dir"]).iterdir()}


def test_an_aligned_run_keeps_counts_and_tells_what_it_aligned(arguments: list[str], tmp_path: Path) -> None:
    run = harness_json(*arguments, "--align", "minilm", "--theta", "0.5")
    assert run["rejects"] == {"below_theta": 1, "unknown_relation": 1}
    assert run["details"]["aligned_relation"] == 3
    assert run["details"]["inverted_relation"] == 1
    assert [example["text"] for example in run["alignments"]["inverted"]] == ["employs"]
    assert [example["text"] for example in run["alignments"]["dropped"]] == ["zzz qqq"]
    manifest = manifest_of(run)
    assert manifest["question"]["alignment"]["theta"] == 0.5
    assert len(manifest["question"]["alignment"]["fingerprint"]) == 64
    assert manifest["prompt_label"] == "tagged align=minilm theta=0.5"
    first = json.loads((Path(run["run_dir"]) / "documents.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert [decision["text"] for decision in first["details"]["alignments"]] == [
        "was born in the city",
        "is employed by",
        "employs",
        "zzz qqq",
    ]
    again = harness_json("score", run["run_id"], "--results-dir", tmp_path / "results")
    assert again["metrics"] == run["metrics"]


def test_alignment_makes_a_run_of_its_own_from_answers_in_the_journal(arguments: list[str]) -> None:
    plain = harness_json(*arguments)
    aligned = harness_json(*arguments, "--align", "minilm")
    assert plain["run_id"] != aligned["run_id"]
    assert "alignment" not in manifest_of(plain)["question"]
    assert aligned["spent"]["requests"] == 0


def test_a_stored_run_is_scored_under_another_alignment_and_left_as_it_was(
    arguments: list[str], tmp_path: Path
) -> None:
    plain = harness_json(*arguments)
    before = files_of(plain)
    options = ["--align", "minilm", "--theta", "0.5"]
    scored = harness_json("score", plain["run_id"], *options, "--results-dir", tmp_path / "results")
    assert scored["stored"] is False
    assert files_of(plain) == before
    assert scored["metrics"] == harness_json(*arguments, *options)["metrics"]
    printed = harness("score", plain["run_id"], *options, "--results-dir", tmp_path / "results").stdout
    assert "'employs' ~ P108" in printed
    assert "nothing;" in printed


def test_every_point_of_a_sweep_is_what_a_run_at_that_theta_scores(arguments: list[str], tmp_path: Path) -> None:
    run = harness_json(*arguments)
    swept = harness_json("sweep", "theta", run["run_id"], "--step", "0.25", "--results-dir", tmp_path / "results")
    assert [point["theta"] for point in swept["points"]] == [0, 0.25, 0.5, 0.75, 1]
    assert (swept["align"], swept["split"], swept["documents"]) == ("minilm", "dev", 3)
    assert swept["reported"] is None
    for point in swept["points"][1:4]:
        options = ["--align", "minilm", "--theta", str(point["theta"])]
        scored = harness_json("score", run["run_id"], *options, "--results-dir", tmp_path / "results")
        assert {name: scored["metrics"][name] for name in ("precision", "recall", "f1", "correct", "predicted")} == {
            name: point[name] for name in ("precision", "recall", "f1", "correct", "predicted")
        }
        assert scored["details"].get("aligned_relation", 0) == point["kept"]
    assert swept["points"][0]["kept"] == 4
    assert swept["points"][-1]["dropped"] == 4


def test_theta_is_chosen_on_some_documents_and_reported_on_the_others(arguments: list[str], tmp_path: Path) -> None:
    run = harness_json(*arguments)
    command = ["sweep", "theta", run["run_id"], "--choose-documents", "2", "--results-dir", tmp_path / "results"]
    split = harness_json(*command, "--seed", "1")
    assert (split["chosen"]["documents"], split["reported"]["documents"]) == (2, 1)
    assert len(split["chosen"]["titles"]) == 2
    assert split["reported"]["theta"] == split["chosen"]["theta"]
    whole = harness_json("sweep", "theta", run["run_id"], "--results-dir", tmp_path / "results")
    assert split["chosen"]["gold"] + split["reported"]["gold"] == whole["points"][0]["gold"]
    seeds = {tuple(harness_json(*command, "--seed", str(seed))["chosen"]["titles"]) for seed in range(3)}
    assert len(seeds) > 1


def test_a_run_with_the_theta_that_its_documents_chose_says_so(arguments: list[str], tmp_path: Path) -> None:
    command = ["sweep", "theta", harness_json(*arguments)["run_id"], "--results-dir", tmp_path / "results"]
    chosen = harness_json(*command, "--step", "0.2")["chosen"]["theta"]
    for theta, told in ((chosen, f"--theta {chosen:g} was chosen by 3 of the 3 documents"), (0.333, None)):
        run = harness_json(*arguments, "--align", "minilm", "--theta", str(theta))
        assert run["chosen_by_documents"] == told


def test_a_sweep_prints_its_table_and_writes_its_points(arguments: list[str], tmp_path: Path) -> None:
    run = harness_json(*arguments)
    command = ["sweep", "theta", run["run_id"], "--results-dir", tmp_path / "results", "--out"]
    printed = harness(*command, tmp_path / "points.csv").stdout
    assert "sample dev, 3 of 33 documents" in printed
    assert "4 triplets with a relation outside the schema" in printed
    assert "report it on others" in printed
    with (tmp_path / "points.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["theta"] for row in rows[:3]] == ["0.0", "0.05", "0.1"]
    pytest.importorskip("matplotlib", reason="figures need pip install 'docre-harness[report]'")
    assert harness(*command, tmp_path / "figure.png").returncode == 0
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--theta", "0.5"], "need --align"),
        (["--align", "minilm", "--theta", "1.5"], "from 0 to 1"),
        (["--align", "minilm", "--theta", "nan"], "from 0 to 1"),
        (["--align", "minilm", "--constrain", "closed"], "of no use with --constrain closed"),
        (["--align", "minlm"], "no such folder"),
    ],
)
def test_alignment_that_cannot_work_is_refused(options: list[str], expected: str, arguments: list[str]) -> None:
    done = harness(*arguments, *options)
    assert done.returncode == 2
    assert expected in error_line(done)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--step", "0"], "a step above 0"),
        (["--from", "0.8", "--to", "0.2"], "0 <= from <= to <= 1"),
        (["--choose-on", "1"], "both parts need one"),
        (["--choose-on", "0.5", "--choose-documents", "1"], "give one of them"),
        (["--out", "figure.txt"], "must end in .csv"),
    ],
)
def test_a_sweep_that_cannot_work_is_refused(
    options: list[str], expected: str, arguments: list[str], tmp_path: Path
) -> None:
    run = harness_json(*arguments)
    done = harness("sweep", "theta", run["run_id"], *options, "--results-dir", tmp_path / "results")
    assert done.returncode == 2
    assert expected in error_line(done)


def test_stored_predictions_and_another_alignment_exclude_each_other(arguments: list[str], tmp_path: Path) -> None:
    run = harness_json(*arguments)
    command = ["score", run["run_id"], "--align", "minilm", "--results-dir", tmp_path / "results"]
    assert "leave out --gold, --surface" in error_line(harness(*command, "--surface"))
