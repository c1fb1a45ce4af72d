"""The pair scores that a run of the prompt hrt leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.datasets.registry import load_dataset
from harness.encoders.scores import ScoreFile
from harness.runs.candidate_scores import pair_scores
from harness.types import Triplet
from tests.commands import harness_json

DOCUMENT = next(iter(load_dataset("sample").documents))


def test_log_odds_of_candidates_and_the_threshold() -> None:
    scores = pair_scores(DOCUMENT, [[0, "P19", 4, 0.9], [0, "P17", 4, 0.3]], ("P17", "P19"), 0.5)
    count = len(DOCUMENT.entities)
    assert scores.scores.shape == (count * (count - 1), 3)
    assert [one.triplet for one in scores.predictions()] == [Triplet(0, "P19", 4)]
    row = scores.pairs.tolist().index([0, 4])
    assert scores.scores[row] == pytest.approx([np.log(0.3 / 0.7), np.log(9), 0.0], abs=1e-5)
    assert scores.margins.min() < np.log(0.01 / 0.99)


def test_an_llms_run_proposes_pairs_to_another(tmp_path: Path) -> None:
    """The embedded model ranks; its pairs are classified, and its hard pairs decided, by the mock."""
    place = ["--dataset", "sample", "--limit", "1", "--results-dir", str(tmp_path)]
    options = ["relations=1", "examples=none", "least=20", "logprobs=20"]
    run = harness_json("run", "--model", "smollm2-135m", "--prompt", "hrt", *place, *(f"-P{one}" for one in options))
    assert run["statuses"] == {"ok": 1}
    assert run["usage"]["completion_tokens"] == run["details"]["questions"], "one token each"
    (scores,) = ScoreFile(Path(run["run_dir"]) / "pair_scores.npz").values()
    assert len(scores.predictions()) == run["metrics"]["predicted"] > 0
    proposed = harness_json("run", "--model", "mock", "--prompt", "classify", "--candidates", run["run_id"], *place)
    assert proposed["proposal"]["source"] == "smollm2-135m"
    refined = harness_json("run", "--model", "mock", "--prompt", "choice", "--refine", run["run_id"], *place)
    assert refined["refinement"]["encoder"]["f1"] == pytest.approx(run["metrics"]["f1"])


def test_what_is_listed_beyond_the_candidate_pairs_has_no_score() -> None:
    document = replace(DOCUMENT, candidates=((0, 1),))
    scores = pair_scores(document, [[0, "P17", 1, 0.9], [1, "P17", 0, 0.9]], ("P17",), 0.5)
    assert scores.pairs.tolist() == [[0, 1]]
    assert scores.scores[0, 0] > scores.scores[0, 1]
