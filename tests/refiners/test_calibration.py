"""Calibration of option probabilities: by place, by confidence, by a temperature that mends what was distorted."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.cli.display import make_display
from harness.encoders.scores import PAIR_SCORES
from harness.refiners.calibration import (
    Bin,
    Place,
    Question,
    calibration_error,
    fitted_temperature,
    places,
    reliability,
    tempered,
)
from harness.runs.config import RunConfig
from harness.runs.execute import execute
from harness.runs.plan import prepare
from harness.runs.results import RunResult
from tests.commands import error_line, harness
from tests.refiners.answers import all_knowing, answering, said


def question(model: tuple[float, ...], *right: int) -> Question:
    return Question(model, None, frozenset(right), len(model) - 1)


QUESTIONS = [
    question((0.6, 0.3, 0.1), 0),
    question((0.7, 0.2, 0.1), 1),
    question((0.2, 0.2, 0.6), 2),
    question((0.3, 0.7), 0),
]


def test_places_count_what_was_right_and_what_was_chosen() -> None:
    assert places(QUESTIONS) == [Place(0, 4, 2, 2, 1), Place(1, 3, 1, 0, 0), Place(-1, 4, 1, 2, 1)]


def test_bins_hold_confidence_and_accuracy() -> None:
    assert reliability(QUESTIONS) == [Bin(0.5, 0.6, 2, 0.6, 1.0), Bin(0.6, 0.7, 2, 0.7, 0.0)]
    assert calibration_error(reliability(QUESTIONS)) == pytest.approx((2 * 0.4 + 2 * 0.7) / 4)
    assert calibration_error([]) == 0.0


@pytest.mark.parametrize("distortion", [0.4, 1.0, 2.5])
def test_the_temperature_that_was_applied_is_found_again(distortion: float) -> None:
    generator = np.random.default_rng(3)
    questions = []
    for true in generator.dirichlet([1.0] * 4, size=1500):
        right = int(generator.choice(4, p=true))
        questions.append(question(tuple(tempered(true.tolist(), distortion)), right))
    found = fitted_temperature(questions, lambda one: one.model)
    assert found == pytest.approx(1 / distortion, rel=0.15)


def test_without_questions_there_is_no_temperature() -> None:
    assert fitted_temperature([], lambda one: one.model) is None


@pytest.fixture(scope="module")
def refined(imported: RunResult) -> RunResult:
    """A run that answers every question with its first option, at probability 0.9."""
    import asyncio

    results = imported.folder.path.parents[1]
    config = RunConfig(
        model="mock", prompt="choice", dataset="sample", results=results, refine=imported.folder.run_id, repeat=9
    )
    experiment = answering(prepare(config), lambda _: said({"A": 0.9, "B": 0.1}))
    return asyncio.run(execute(experiment, make_display("none")))


def test_the_command_shows_that_a_model_chooses_by_place(refined: RunResult, tmp_path: Path) -> None:
    figure = tmp_path / "calibration.svg"
    done = harness("calibrate", refined.folder.path, "--out", figure)
    assert done.returncode == 0, done.stderr
    assert "by place of the option" in done.stdout
    assert "-R model_temperature=" in done.stdout
    assert figure.read_text(encoding="utf-8").rstrip().endswith("</svg>")
    content = json.loads(harness("calibrate", refined.folder.path, "--json").stdout)
    first, *others = content["places"]
    assert first["chosen"] == content["questions"] > first["chosen_rightly"]
    assert not any(one["chosen"] for one in others)
    assert content["encoder_temperature"] is not None
    again = RunConfig.from_json(refined.manifest.config.as_json())
    for limit, temperature in ((4, content["model_temperature"]), (4, 3.21)):
        options = {"model_temperature": f"{temperature:.3g}"}
        manifest = prepare(replace(again, limit=limit, refine_options=options)).asked()
        chosen = manifest.chosen_settings
        assert [one.documents for one in chosen] == ([4] if temperature != 3.21 else [])


def test_a_run_without_such_questions_and_without_pair_scores_is_refused(imported: RunResult, tmp_path: Path) -> None:
    without = Path(shutil.copytree(imported.folder.path, tmp_path / imported.folder.run_id))
    (without / PAIR_SCORES).unlink()
    assert "asked no questions with options" in error_line(harness("calibrate", without))


def test_answers_without_probabilities_leave_nothing_to_calibrate(refined: RunResult, tmp_path: Path) -> None:
    without = Path(shutil.copytree(refined.folder.path, tmp_path / "runs" / refined.folder.run_id))
    records = [json.loads(line) for line in (without / "documents.jsonl").open(encoding="utf-8")]
    for answer in (answer for record in records for answer in record["details"]["answers"]):
        answer["probabilities"] = None
    (without / "documents.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n", "utf-8")
    assert "nothing to calibrate" in error_line(harness("calibrate", without))


async def test_a_model_that_knows_the_labels_is_never_wrong(imported: RunResult) -> None:
    from harness.analyses.calibration import calibration_of

    results = imported.folder.path.parents[1]
    config = RunConfig(
        model="mock", prompt="judge", dataset="sample", results=results, refine=imported.folder.run_id, repeat=10
    )
    result = await execute(all_knowing(prepare(config)), make_display("none"))
    found = calibration_of(result.folder)
    assert found.error == 0.0
    assert sum(one.chosen for one in found.places) == sum(one.chosen_rightly for one in found.places)
