"""Probabilities of an encoder: fitted to labels, kept beside the weights, read from a stored run of pair scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.analyses.encoder_calibration import EncoderCalibration
from harness.datasets.registry import load_dataset
from harness.encoders.calibration import CALIBRATION, Calibration, fitted, read_calibration
from harness.encoders.scorer import all_pairs
from harness.encoders.scores import PAIR_SCORES, score_writer
from harness.encoders.weights import TRAINED, WEIGHTS
from harness.errors import InputError
from harness.types import PairScores
from tests.commands import error_line, harness_here
from tests.corpora import write_corpus


def test_the_fit_finds_how_margins_were_drawn() -> None:
    draw = np.random.default_rng(0)
    margins = draw.normal(-2, 4, 40_000)
    held = draw.random(40_000) < 1 / (1 + np.exp(-(margins / 2 - 0.5)))
    temperature, offset = fitted(margins, held)
    assert temperature == pytest.approx(2, rel=0.05)
    assert offset == pytest.approx(0.5, abs=0.05)
    assert Calibration(temperature=2.0, offset=0.5).probability(1.0) == pytest.approx(0.5)


def test_it_lies_beside_the_weights(tmp_path: Path) -> None:
    assert read_calibration(tmp_path) == Calibration()
    assert read_calibration(TRAINED / "atlop-minilm").documents == 50
    (tmp_path / CALIBRATION).write_text('{"temperature": 0}')
    with pytest.raises(InputError, match="temperature"):
        read_calibration(tmp_path)


@pytest.mark.parametrize("members", [None, ["0", "1"]])
def test_a_calibration_of_other_weights_is_refused(tmp_path: Path, members: list[str] | None) -> None:
    config = {"task": "atlop", "relations": [], "encoder": "minilm", **({"members": members} if members else {})}
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = [tmp_path / name / WEIGHTS for name in members or [""]]
    for number, file in enumerate(weights):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(bytes([number]))
    EncoderCalibration(Calibration(temperature=2.0), [], []).save(tmp_path)
    assert read_calibration(tmp_path).temperature == 2.0
    weights[-1].write_bytes(b"trained anew")
    with pytest.raises(InputError, match=r"fitted to other weights .*harness calibrate RUN --into") as refused:
        read_calibration(tmp_path)
    assert "\n" not in str(refused.value)
    if not members:
        with pytest.raises(InputError, match="has other weights than the encoder of this run"):
            EncoderCalibration(Calibration(), [], [], weights="0" * 64).save(tmp_path)


def test_the_packaged_calibrations_are_of_the_packaged_weights() -> None:
    for name in ("atlop-minilm", "glidre-minilm"):
        assert read_calibration(TRAINED / name).weights


def test_a_run_of_pair_scores_is_calibrated_by_the_command(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", 3)
    arguments = ["--dataset", corpus, "--model", "mock", "--prompt", "tagged", "--display", "none"]
    assert harness_here("run", *arguments, "--results-dir", tmp_path, "--fail-on-error", "1").returncode in (0, 1)
    (run,) = (tmp_path / "runs").iterdir()
    draw, dataset = np.random.default_rng(0), load_dataset(str(corpus))
    relations = tuple(dataset.schema.by_id)
    with score_writer(run / PAIR_SCORES, relations) as writer:
        for one in dataset.documents:
            pairs = all_pairs(len(one.entities))
            writer.write(PairScores(one.title, relations, pairs, draw.normal(size=(len(pairs), len(relations) + 1))))
    target = tmp_path / "encoder"
    target.mkdir()
    options = ["calibrate", run, "--results-dir", tmp_path]
    refused = harness_here(*options, "--into", target)
    assert "no folder of a trained encoder" in error_line(refused)
    (target / "config.json").write_text((TRAINED / "glidre-minilm" / "config.json").read_text())
    done = harness_here(*options, "--into", target, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["temperature"] == read_calibration(target).temperature
    assert 0 <= found["fitted_error"] < found["error"]
