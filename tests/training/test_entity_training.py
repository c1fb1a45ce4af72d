"""Training an entity finder: it learns, goes on after a kill, and finds again what it was shown."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.encoders.checkpoint import read_config
from harness.encoders.entities.crf import Chain, best_tags, valid_tags
from harness.encoders.entities.finder import EntityFinder, entity_finder
from harness.encoders.entities.text import tagged_spans
from harness.encoders.weights import WEIGHTS
from harness.errors import InputError
from harness.scoring.counts import total
from harness.scoring.entities import cluster_counts, mention_counts
from harness.training.combining import make_ensemble
from harness.training.compressing import compress
from harness.training.entities import train_entity_finder
from harness.training.fit import TrainingJob
from harness.types import Document
from tests.encoders.small import Killed, Recorder

OPTIONS = {
    "window": "64",
    "overlap": "8",
    "layers": "1",
    "projection_size": "32",
    "word_size": "16",
    "mention_size": "8",
    "dropout": "0.1",
    "rest_lr": "0.02",
    "average_decay": "0.5",
}


@pytest.fixture
def job(tiny_encoder: Callable[[str], str], corpus: Path) -> TrainingJob:
    options = {**OPTIONS, "encoder": tiny_encoder("bert"), "epochs": "3", "masked_subwords": "0.1"}
    return TrainingJob("entities", str(corpus), choose=4, report=4, seed=1, options=options)


def test_a_killed_training_goes_on_to_the_same_weights(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.training.folder.STORED_EVERY", 0.0)
    whole = train_entity_finder(job, tmp_path / "whole", Recorder())
    with pytest.raises(Killed):
        train_entity_finder(job, tmp_path / "cut", Recorder(killed_in=2))
    train_entity_finder(job, tmp_path / "cut", Recorder())
    weights, expected = (load_file(tmp_path / folder / WEIGHTS) for folder in ("cut", "whole"))
    assert all(torch.equal(weights[name], value) for name, value in expected.items())
    assert whole.reported is not None
    assert {"f1", "mention_f1", "untyped_f1"} <= whole.reported.keys()
    with pytest.raises(InputError, match="scores no pairs"):
        read_config(tmp_path / "whole")
    smaller = compress(tmp_path / "whole", 2, tmp_path / "small")
    assert smaller.after < smaller.before
    assert len(list(EntityFinder(tmp_path / "small").find([Document("t", (("Ada",),), ())]))) == 1


def test_a_finder_over_an_encoder_that_stays_finds_what_it_was_shown(
    job: TrainingJob, documents: list[Document], tmp_path: Path
) -> None:
    options = {**job.options, "epochs": "12", "frozen_layers": "2", "shaped_input": "false", "masked_subwords": "0"}
    train_entity_finder(replace(job, choose=0, report=0, options=options), tmp_path, Recorder())
    finder = EntityFinder(tmp_path)
    empty = Document("empty", (), ())
    found = list(finder.find([*documents, empty]))
    assert found[-1].entities == ()
    pairs = list(zip(documents, found, strict=False))
    assert total(mention_counts(gold.entities, one.entities) for gold, one in pairs).f1 > 0.9
    joined = list(zip(documents, finder.join(documents), strict=True))
    assert all(mention_counts(gold.entities, one.entities, typed=False)[0] for gold, one in joined)
    assert total(cluster_counts(gold.entities, one.entities) for gold, one in joined).f1 > 0.8


def test_an_ensemble_of_finders_decides_by_their_mean(
    job: TrainingJob, documents: list[Document], tmp_path: Path
) -> None:
    short = replace(job, options={**job.options, "epochs": "1"})
    for seed in (1, 2):
        train_entity_finder(replace(short, seed=seed), tmp_path / f"seed-{seed}", Recorder())
    members = [tmp_path / "seed-1", tmp_path / "seed-2"]
    made = make_ensemble(members, job, tmp_path / "made")
    assert made.reported is not None
    assert {"f1", "mention_f1"} <= made.reported.keys()
    finder = entity_finder(str((tmp_path / "made").rename(tmp_path / "moved")))
    assert isinstance(finder, EntityFinder)
    assert finder.threshold == made.threshold
    assert finder.identity != EntityFinder(members[0]).identity
    twice = make_ensemble([members[0]] * 2, job, tmp_path / "twice")
    single = EntityFinder(members[0], {"threshold": str(twice.threshold)})
    found, expected = (list(one.find(documents)) for one in (EntityFinder(tmp_path / "twice"), single))
    assert [one.entities for one in found] == [one.entities for one in expected], "the mean of a model with itself"
    with pytest.raises(InputError, match="--fusion: entity finders score no pairs"):
        make_ensemble(members, job, tmp_path / "fused", fusion=1.0)
    other = {**short.options, "window": "32"}
    train_entity_finder(replace(short, options=other), tmp_path / "other", Recorder())
    with pytest.raises(InputError, match="differ in encoder, entity_types, window, overlap"):
        make_ensemble([members[0], tmp_path / "other"], job, tmp_path / "unlike")
    assert not (tmp_path / "unlike").exists()


def test_only_valid_sequences_are_the_best_ones() -> None:
    torch.manual_seed(0)
    chain = Chain(2)
    mask = torch.ones(20, 6, dtype=torch.bool)
    mask[0, 2:] = False
    best = best_tags(torch.randn(20, 6, 9) * 3, mask, *chain.scores())
    allowed, begins, ends = valid_tags(2)
    assert len(best[0]) == 2
    for tags in best:
        assert begins[tags[0]]
        assert ends[tags[-1]]
        assert all(allowed[a, b] for a, b in itertools.pairwise(tags))
    assert [span[1:] for span in tagged_spans([1, 2, 3, 0, 8], 0, ("PER", "LOC"))] == [(0, 3, "PER"), (4, 5, "LOC")]


def test_the_likelihoods_of_all_sequences_sum_to_one() -> None:
    torch.manual_seed(0)
    chain = Chain(1)
    emissions, mask = torch.randn(1, 3, 5), torch.ones(1, 3, dtype=torch.bool)
    every = torch.cartesian_prod(*[torch.arange(5)] * 3)
    total_probability = sum(float(torch.exp(-chain.loss(emissions, mask, tags[None])).detach()) for tags in every)
    assert total_probability == pytest.approx(1.0, abs=1e-4)
