"""An imported encoder over the built-in corpus, whose scores put some gold triplets just below NA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.datasets.registry import load_dataset
from harness.encoders.scorer import all_pairs
from harness.encoders.scores import score_writer
from harness.runs.config import RunConfig
from harness.runs.results import RunResult
from harness.runs.sources.imported import import_run
from harness.types import Dataset, PairScores


@pytest.fixture(scope="session")
def sample() -> Dataset:
    return load_dataset("sample")


@pytest.fixture(scope="session")
def logits(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of scores: NA 0, a third of the labels above it, a third just below, the others out of sight."""
    return write_scores(tmp_path_factory.mktemp("logits") / "logits.npz", sample)


def write_scores(path: Path, dataset: Dataset, seed: int = 1) -> Path:
    relations = tuple(relation.id for relation in dataset.schema.relations)
    generator = np.random.default_rng(seed)
    with score_writer(path, relations) as writer:
        for document in dataset.documents:
            pairs = all_pairs(len(document.entities))
            rows = {tuple(pair): row for row, pair in enumerate(pairs.tolist())}
            scores = generator.uniform(-4, -0.2, (len(pairs), len(relations) + 1))
            scores[:, -1] = 0
            for number, label in enumerate(document.labels):
                head, relation, tail = label.triplet
                scores[rows[head, tail], relations.index(relation)] = (2.0, -0.1, -6.0)[number % 3]
            writer.write(PairScores(document.title, relations, pairs, scores))
    return path


@pytest.fixture(scope="session")
def imported(logits: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The stored run of that encoder."""
    return import_run(
        logits, RunConfig(model="my-encoder", dataset="sample", results=tmp_path_factory.mktemp("results"))
    )
