"""Ensembles: means of their members, a threshold of their own, a folder that can be moved and run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.datasets.registry import load_dataset
from harness.datasets.splits import split_documents
from harness.encoders.checkpoint import load_model
from harness.encoders.config import EnsembleConfig, read_record
from harness.encoders.ensemble import EnsembleScorer, pair_scorer
from harness.encoders.scorer import EncoderScorer
from harness.encoders.weights import CONFIG, TRAINING, trained_folder
from harness.errors import InputError
from harness.training.combining import make_ensemble
from harness.training.fit import TrainingJob, train_encoder
from harness.types import Document
from tests.commands import error_line, harness, harness_json
from tests.encoders.small import OPTIONS, Recorder


@pytest.fixture
def job(tiny_encoder: Callable[[str], str], corpus: Path) -> TrainingJob:
    options = {**OPTIONS, "encoder": tiny_encoder("bert"), "epochs": "2"}
    return TrainingJob("atlop", str(corpus), choose=6, report=6, options=options)


@pytest.fixture
def members(job: TrainingJob, tmp_path: Path) -> list[Path]:
    folders = [tmp_path / f"member-{seed}" for seed in (1, 2)]
    for seed, folder in enumerate(folders, 1):
        train_encoder(replace(job, seed=seed), folder, Recorder())
    return folders


def test_the_scores_are_the_members_mean_above_na(members: list[Path], job: TrainingJob, tmp_path: Path) -> None:
    made = make_ensemble(members, job, tmp_path / "made")
    shutil.rmtree(members[0])
    moved = (tmp_path / "made").rename(tmp_path / "moved")
    scorer = pair_scorer(moved)
    assert isinstance(scorer, EnsembleScorer)
    documents = list(load_dataset(job.train).documents)
    singles = [EncoderScorer(moved / name) for name in ("0", "1")]
    for mean, first, second in zip(
        scorer.score(documents), *(single.score(documents) for single in singles), strict=True
    ):
        above = [one.scores[:, :-1] - one.scores[:, -1:] for one in (first, second)]
        np.testing.assert_allclose(mean.scores[:, :-1], (above[0] + above[1]) / 2, atol=2e-3)
        np.testing.assert_allclose(mean.scores[:, -1], scorer.config.threshold, atol=1e-3)
        assert mean.title == first.title
    assert made.reported is not None
    assert made.reported["documents"] == 6
    record = json.loads((moved / TRAINING).read_text())
    assert [one["train_documents"] for one in record["question"]["data"]["earlier"]] == [12, 12]
    assert trained_folder(str(moved)) == moved / "0"


def test_the_threshold_is_the_best_on_the_documents_to_choose_by(
    members: list[Path], job: TrainingJob, tmp_path: Path
) -> None:
    make_ensemble(members, job, tmp_path / "made")
    record = json.loads((tmp_path / "made" / TRAINING).read_text())
    choose = split_documents(list(load_dataset(job.train).documents), 6, 6).choose
    f1 = f1_of(tmp_path / "made", choose)
    assert record["result"]["best"]["f1"] == pytest.approx(f1, abs=0.02)
    config = tmp_path / "made" / CONFIG
    content = json.loads(config.read_text())
    for shift in (-1.0, -0.3, 0.3, 1.0):
        config.write_text(json.dumps({**content, "threshold": content["threshold"] + shift}))
        assert f1_of(tmp_path / "made", choose) <= f1 + 0.02


def f1_of(folder: Path, documents: Sequence[Document]) -> float:
    gold = {document.title: {label.triplet for label in document.labels} for document in documents}
    found = {one.title: {p.triplet for p in one.predictions()} for one in pair_scorer(folder).score(documents)}
    correct = sum(len(gold[title] & found[title]) for title in gold)
    return 2 * correct / (sum(map(len, gold.values())) + sum(map(len, found.values())))


def test_what_cannot_be_one_is_refused(members: list[Path], job: TrainingJob, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs two"):
        make_ensemble(members[:1], job, tmp_path / "made")
    with pytest.raises(InputError, match="is there"):
        make_ensemble(members, job, members[0])
    train_encoder(replace(job, task="rcp", options={**job.options, "epochs": "1"}), tmp_path / "rcp", Recorder())
    with pytest.raises(InputError, match="do not score the same relations"):
        make_ensemble([members[0], tmp_path / "rcp"], job, tmp_path / "made")
    assert not (tmp_path / "made").exists()
    make_ensemble(members, job, tmp_path / "made")
    make_ensemble([members[0], tmp_path / "made"], job, tmp_path / "three")
    assert read_record(EnsembleConfig, tmp_path / "three" / CONFIG).members == ("0", "1", "2")
    make_ensemble(members[:1], job, tmp_path / "fused", fusion=1.0)
    with pytest.raises(InputError, match="made with --fusion"):
        make_ensemble([members[0], tmp_path / "fused"], job, tmp_path / "more")
    with pytest.raises(InputError, match="names no evidence"):
        make_ensemble([tmp_path / "rcp"], job, tmp_path / "more", fusion=1.0)
    with pytest.raises(InputError, match="would be held out: hold out the same"):
        make_ensemble(members, replace(job, report=8), tmp_path / "more")


def test_members_are_folders_inside_the_ensembles_own(members: list[Path], job: TrainingJob, tmp_path: Path) -> None:
    made = tmp_path / "made"
    make_ensemble(members, job, made)
    config = made / CONFIG
    config.write_text(config.read_text(encoding="utf-8").replace('"1"', '"../member-1"'), encoding="utf-8")
    with pytest.raises(InputError, match="members"):
        pair_scorer(made)


def test_an_ensemble_is_made_and_run_by_command(members: list[Path], job: TrainingJob, tmp_path: Path) -> None:
    out = tmp_path / "made"
    options = ("--train", job.train, "--choose", "6", "--report", "6", "--out", str(out))
    made = harness_json("train", "ensemble", *map(str, members), *options)
    run = harness_json(
        "run", "--model", str(out), "--dataset", job.train, "--results-dir", str(tmp_path / "results"), "--limit", "4"
    )
    assert made["reported"]["documents"] == 6
    assert made["best"]["f1"] > 0
    assert run["metrics"]["documents"] == 4
    refused = harness("train", "ensemble", str(members[0]), *options[:-1], str(out / "x"))
    assert "two trained encoders" in error_line(refused)


def test_what_is_inside_an_ensemble_is_its_first_members(members: list[Path], job: TrainingJob, tmp_path: Path) -> None:
    made = tmp_path / "made"
    make_ensemble(members, job, made)
    options = {**job.options, "epochs": "1", "encoder": str(made), "frozen_layers": "2"}
    train_encoder(replace(job, task="rcp", options=options), tmp_path / "head", Recorder())
    own, first = (load_model(folder).encoder.state_dict() for folder in (tmp_path / "head", members[0]))
    assert all(bool((own[name] == value).all()) for name, value in first.items())
