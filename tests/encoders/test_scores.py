"""Pair scores on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.encoders.scores import ScoreFile, score_writer
from harness.errors import InputError
from harness.types import PairScores, Triplet

RELATIONS = ("P17", "P36")


def scored(title: str, entities: int) -> PairScores:
    rng = np.random.default_rng(entities)
    pairs = np.argwhere(~np.eye(entities, dtype=bool))
    return PairScores(title, RELATIONS, pairs, rng.normal(size=(len(pairs), 3)).astype(np.float16).astype(np.float32))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    documents = [scored("Zürich\n🦊", 3), scored("none", 0), scored("one", 1), scored("B", 5)]
    with score_writer(tmp_path / "scores.npz", RELATIONS) as writer:
        for document in documents:
            writer.write(document)
    file = ScoreFile(tmp_path / "scores.npz")
    assert (file.relations, list(file)) == (RELATIONS, [document.title for document in documents])
    for document in documents:
        found = file[document.title]
        assert np.array_equal(found.pairs, document.pairs)
        assert np.array_equal(found.scores, document.scores)
        assert found.predictions() == document.predictions()


def test_a_relation_is_predicted_where_it_scores_above_na() -> None:
    scores = np.array([[1.0, 3.0, 2.0], [5.0, 4.5, 4.0], [0.0, 0.0, 0.0]])
    found = PairScores("T", RELATIONS, np.array([[0, 1], [1, 0], [0, 2]]), scores).predictions()
    assert [(one.triplet, one.score) for one in found] == [
        (Triplet(0, "P36", 1), 1.0),
        (Triplet(1, "P17", 0), 1.0),
        (Triplet(1, "P36", 0), 0.5),
    ]


def test_a_file_that_was_not_finished_does_not_appear(tmp_path: Path) -> None:
    unfit = PairScores("B", RELATIONS, np.zeros((1, 2)), np.array([["text"]]))
    with pytest.raises(ValueError, match="text"), score_writer(tmp_path / "scores.npz", RELATIONS) as writer:
        writer.write(unfit)
    assert not (tmp_path / "scores.npz").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b'{"scores": []}', None])
def test_what_is_not_a_file_of_scores_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "scores.npz"
    if content is None:
        np.savez(path, titles=np.array([{"an": "object"}], dtype=object))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"not a file of pair scores"):
        ScoreFile(path)
