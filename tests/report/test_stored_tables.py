"""Tables beside the runs are found by their columns; those that cannot be read are told with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.report.runs import ReportRun
from harness.report.stored_tables import FewShotPoint, read_stored_tables
from harness.store import RunFolder
from tests.report.stored import StoredRuns


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_sweeps_and_few_shot_tables_are_known_by_their_columns(tmp_path: Path) -> None:
    write(tmp_path / "theta" / "a.csv", "theta,kept,f1\n0,3,0.25\n1,0,0.5\n")
    write(
        tmp_path / "encoders" / "few-shot" / "few_shot.csv",
        "model,n,seed,f1,epoch\natlop,1,0,10,2\natlop,1,1,30,2\natlop,5,0,40,1\n",
    )
    write(tmp_path / "board.csv", "dataset,split,f1\nredocred,dev,0.1\n")
    write(tmp_path / "runs" / "x" / "theta.csv", "theta,f1\n0,0.9\n")
    stored = read_stored_tables(tmp_path, [])
    assert [(sweep.name, list(sweep.points)) for sweep in stored.sweeps] == [("theta/a", [(0.0, 0.25), (1.0, 0.5)])]
    assert stored.few_shot == {"atlop": [FewShotPoint(1, 0.2, 0.1, 0.3, 2), FewShotPoint(5, 0.4, 0.4, 0.4, 1)]}
    assert stored.ablations == []


@pytest.mark.parametrize("number", ["high", "nan", "inf", ""])
def test_a_number_that_is_none_is_told_with_its_line(tmp_path: Path, number: str) -> None:
    write(tmp_path / "theta.csv", f"theta,f1\n0,0.2\n0.5,{number}\n")
    with pytest.raises(InputError, match=rf"theta\.csv, line 3: theta '0\.5' and f1 '{number}' must be numbers"):
        read_stored_tables(tmp_path, [])


def test_an_ablation_without_effects_is_left_out_and_a_damaged_one_told(tmp_path: Path) -> None:
    folder = tmp_path / "ablations" / "one"
    effect = {"axis": "refs", "value": "name", "baseline": "id", "f1_difference": 0.1, "low": 0.0, "high": 0.2}
    write(folder / "ablation.json", json.dumps({"ablation": "one", "model": "m", "effects": [effect]}))
    write(tmp_path / "ablations" / "two" / "ablation.json", '{"ablation": "two", "model": "m", "effects": []}')
    (ablation,) = read_stored_tables(tmp_path, []).ablations
    assert (ablation.ablation, ablation.model, len(ablation.effects)) == ("one", "m", 1)
    for content, says in (
        ("{}", "ablation: Field required"),
        ("[" * 5000, "nested"),
        (json.dumps({"ablation": "one", "model": "m", "effects": [{**effect, "low": "0"}]}), r"effects\.0\.low"),
        (
            json.dumps({"ablation": "one", "model": "m", "effects": [{**effect, "low": float("nan")}]}),
            "NaN is not JSON",
        ),
    ):
        write(folder / "ablation.json", content)
        with pytest.raises(InputError, match=f"ablation.json.*{says}.*harness ablate"):
            read_stored_tables(tmp_path, [])


def test_runs_that_differ_in_shots_and_seed_only_are_a_curve(stored: StoredRuns, tmp_path: Path) -> None:
    def run(number: int, shots: int, seed: int, f1: float, prompt: str = "tagged") -> ReportRun:
        config = {**stored.closed.manifest.config.as_json(), "shots": shots, "seed": seed, "prompt": prompt}
        manifest = stored.closed.manifest.changed(config=config)
        metrics = stored.closed.metrics.changed(metrics={**stored.closed.metrics.official.as_json(), "f1": f1})
        return ReportRun(number, type(stored.closed)(RunFolder(tmp_path), manifest, metrics), "")

    runs = [run(1, 0, 0, 0.1), run(2, 3, 0, 0.2), run(3, 3, 1, 0.4), run(4, 0, 0, 0.5, prompt="facts")]
    (curve,) = read_stored_tables(tmp_path, runs).few_shot.values()
    assert [(point.n, round(point.mean, 9), point.seeds) for point in curve] == [(0, 0.1, 1), (3, 0.3, 2)]
