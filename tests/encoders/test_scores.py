"""Pair scores on disk."""

from __future__ import annotations

import math
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.encoders.scores import ScoreFile, score_writer
from harness.encoders.seen import Role
from harness.errors import InputError
from harness.types import PairScores, Triplet
from tests.documents import document

RELATIONS = ("P17", "P36")


def scored(title: str, entities: int) -> PairScores:
    rng = np.random.default_rng(entities)
    pairs = np.argwhere(~np.eye(entities, dtype=bool))
    return PairScores(title, RELATIONS, pairs, rng.normal(size=(len(pairs), 3)).astype(np.float16).astype(np.float32))


def with_attention(one: PairScores, sentences: int = 4) -> PairScores:
    shares = np.random.default_rng(sentences).dirichlet(np.ones(sentences), len(one.pairs))
    return replace(one, sentences=shares.astype(np.float16).astype(np.float32))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    documents = [scored("Zürich\n🦊", 3), scored("none", 0), scored("one", 1), with_attention(scored("B", 5))]
    with score_writer(tmp_path / "scores.npz", RELATIONS) as writer:
        for one in documents:
            writer.write(one)
    file = ScoreFile(tmp_path / "scores.npz")
    assert (file.relations, list(file)) == (RELATIONS, [one.title for one in documents])
    for one in documents:
        found = file[one.title]
        assert np.array_equal(found.pairs, one.pairs)
        assert np.array_equal(found.scores, one.scores)
        assert found.predictions() == one.predictions()
    assert any(prediction.evidence for prediction in file["B"].predictions())


def test_sentences_with_more_than_a_fifth_of_a_pairs_attention_are_the_evidence_of_its_relations() -> None:
    scores, pairs = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 2.0]]), np.array([[0, 1], [1, 0]])
    found = PairScores("T", RELATIONS, pairs, scores, np.array([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]]))
    assert [one.evidence for one in found.predictions()] == [(1, 2), (1, 2)]
    assert [one.evidence for one in found.best([(1, 0)])] == [(0,)]


def test_what_a_document_was_to_the_training_holds_for_its_text_only(tmp_path: Path) -> None:
    text, another = document("Bern is in Switzerland .", []), document("Bern is a city .", [])
    with score_writer(tmp_path / "scores.npz", RELATIONS) as writer:
        writer.write(scored(text.title, 2), (text, Role.NOT_SEEN))
    file = ScoreFile(tmp_path / "scores.npz")
    assert (file.role(text), file.role(another)) == (Role.NOT_SEEN, Role.UNKNOWN)
    with score_writer(tmp_path / "unknown.npz", RELATIONS) as writer:
        writer.write(scored(text.title, 2))
    assert ScoreFile(tmp_path / "unknown.npz").role(text) is None


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


@pytest.mark.parametrize(
    "arrays",
    [
        {"titles": np.array(5)},
        {"titles": np.array(["T", "T"])},
        {"titles": np.array([1.5])},
        {"relations": np.zeros((2, 2))},
    ],
)
def test_names_that_are_none_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "scores.npz", **{"titles": np.array(["T"]), "relations": np.array(RELATIONS), **arrays})
    with pytest.raises(InputError, match=r"not a file of pair scores"):
        ScoreFile(tmp_path / "scores.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {"0.pairs": np.zeros((1, 2))},
        {"0.pairs": np.array([["a", "b"]])},
        {"0.pairs": np.zeros(2, dtype=np.int32)},
        {"0.scores": np.array([["1", "2", "3"]])},
        {"0.scores": np.zeros(3)},
        {"0.scores": np.array(1.0)},
        {"0.sentences": np.zeros((2, 3))},
        {"0.sentences": np.array([["a"]])},
    ],
)
def test_arrays_of_another_kind_are_told_by_their_document(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    fit = {"0.pairs": np.zeros((1, 2), dtype=np.int32), "0.scores": np.zeros((1, 3))}
    np.savez(tmp_path / "scores.npz", titles=np.array(["T"]), relations=np.array(RELATIONS), **{**fit, **arrays})
    with pytest.raises(InputError, match=r"scores\.npz: 'T' is damaged"):
        ScoreFile(tmp_path / "scores.npz")["T"]


def test_a_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scores.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("titles.npy", b"")
        archive.getinfo("titles.npy").file_size = 2**31
    with pytest.raises(InputError, match=r"an array of 2,147,483,648 bytes"):
        ScoreFile(tmp_path / "scores.npz")


def test_a_margin_is_a_finite_number() -> None:
    scores = np.array([[np.inf, np.nan, 0.0], [1.0, 0.0, -np.inf]], dtype=np.float32)
    found = PairScores("T", RELATIONS, np.array([[0, 1], [1, 0]]), scores).predictions()
    assert [one.triplet for one in found] == [Triplet(0, "P17", 1), Triplet(1, "P17", 0), Triplet(1, "P36", 0)]
    assert all(one.score is not None and math.isfinite(one.score) for one in found)
