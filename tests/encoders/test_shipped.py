"""The encoders that ship with the package: small, complete, and as good as their cards say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.datasets.registry import load_dataset
from harness.encoders.ensemble import pair_scorer
from harness.encoders.entities.finder import EntityFinder
from harness.encoders.weights import TRAINED
from harness.extraction.entities import FINDER, entity_source
from harness.models import ENCODER, load_models
from harness.scoring.official import score
from harness.training.entities import entity_scores
from tests.paths import redocred_dir

RELATIONS = sorted(name for name, spec in load_models().items() if spec.runner == ENCODER and spec.model_id == name)
NAMES = sorted([*RELATIONS, FINDER])
MOST_MB = 80


def _training(name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((TRAINED / name / "training.json").read_text(encoding="utf-8"))
    return content


def _trainings(name: str) -> list[Path]:
    """The records of its training, or of its members'."""
    return sorted((TRAINED / name).glob("*/training.json")) or [TRAINED / name / "training.json"]


def test_every_row_and_the_finder_have_their_weights_and_all_are_small() -> None:
    assert sorted(path.name for path in TRAINED.iterdir() if path.is_dir()) == NAMES
    size = sum(path.stat().st_size for path in TRAINED.rglob("*") if path.is_file())
    assert size < MOST_MB * 1e6


@pytest.mark.parametrize("name", NAMES)
def test_the_card_tells_data_split_seed_and_scores(name: str) -> None:
    card = (TRAINED / name / "README.md").read_text(encoding="utf-8")
    question, result = _training(name)["question"], _training(name)["result"]
    assert isinstance(question, dict)
    assert isinstance(result, dict)
    measure = "pair_f1" if question["task"] == "rcp" else "f1"
    reported = f"{100 * result['reported'][measure]:.2f}"
    assert re.search(rf"\b{re.escape(reported)}\b", card), f"the card should say {reported}"
    assert f"{100 * result['best']['f1']:.2f}" in card
    seeds = {json.loads(path.read_text())["question"]["training"]["seed"] for path in _trainings(name)}
    for word in ("400", "dev-choose", "dev-report", *(f"seed {seed}" for seed in seeds)):
        assert word in card


@pytest.mark.parametrize("name", RELATIONS)
def test_it_scores_what_its_training_reported(name: str) -> None:
    dataset = load_dataset("redocred", "dev-report", redocred_dir())
    scorer = pair_scorer(TRAINED / name, schema=dataset.schema)
    documents = list(dataset.documents)
    found = score(documents, {one.title: one.predictions() for one in scorer.score(documents)}).as_dict()
    result = _training(name)["result"]
    assert isinstance(result, dict)
    for measure in ("pair_f1",) if "rcp" in name else ("f1", "pair_f1"):
        assert found[measure] == pytest.approx(result["reported"][measure], abs=0.005)
    if name == "atlop-minilm":
        assert found["evidence_f1"] == pytest.approx(0.397, abs=0.01)


def test_the_finder_scores_what_its_training_reported() -> None:
    finder = entity_source(FINDER)
    assert isinstance(finder, EntityFinder)
    found = entity_scores(finder, list(load_dataset("redocred", "dev-report", redocred_dir()).documents))
    result = _training(FINDER)["result"]
    assert isinstance(result, dict)
    for measure in ("f1", "mention_f1"):
        assert found[measure] == pytest.approx(result["reported"][measure], abs=0.005)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_machine_is_in_its_files(name: str) -> None:
    for path in Path(TRAINED / name).rglob("*.json"):
        assert not re.search(r"/(home|root|tmp|work|Users)/", path.read_text(encoding="utf-8"))
