"""Real embeddings: unit length, cached by model and text, each distinct text embedded once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.alignment.embedder_files import find_embedder, fingerprint
from harness.alignment.embedding import CachedEmbedder, load_embedder
from harness.alignment.vector_cache import VectorCache
from harness.errors import InputError, StorageError
from tests.minilm import minilm, minilm_folder


class Counting:
    """Vectors from the texts' lengths, and a record of what was asked for."""

    name = "counting"

    def __init__(self, fingerprint: str = "f") -> None:
        self.fingerprint = fingerprint
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        self.asked += texts
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


def test_similar_texts_have_a_higher_cosine_than_unrelated_ones() -> None:
    works, employer, river = minilm().embed(["works for", "employer", "mouth of the watercourse"])
    assert np.linalg.norm(works) == pytest.approx(1, abs=1e-5)
    assert works @ employer > works @ river


def test_each_text_is_embedded_once_over_the_life_of_the_cache(tmp_path: Path) -> None:
    first = Counting()
    cache = VectorCache(tmp_path / "folder" / "vectors.sqlite")
    vectors = CachedEmbedder(first, cache).embed(["a", "bb", "a"])
    assert vectors.tolist() == [[1, 1], [2, 1], [1, 1]]
    assert first.asked == ["a", "bb"]
    second = Counting()
    assert CachedEmbedder(second, cache).embed(["bb", "ccc"]).tolist() == [[2, 1], [3, 1]]
    assert second.asked == ["ccc"]


def test_another_model_finds_none_of_the_vectors(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "vectors.sqlite")
    CachedEmbedder(Counting(), cache).embed(["a"])
    other = Counting("other weights")
    CachedEmbedder(other, cache).embed(["a"])
    assert other.asked == ["a"]


def test_the_cache_holds_more_texts_than_one_query_takes_and_is_shared_by_threads(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "vectors.sqlite")
    texts = ["x" * length for length in range(1, 1201)]
    threads = [
        threading.Thread(target=CachedEmbedder(Counting(), cache).embed, args=(texts[start::2],)) for start in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = Counting()
    assert CachedEmbedder(last, cache).embed(texts)[:, 0].tolist() == list(range(1, 1201))
    assert last.asked == []


def test_a_file_that_is_no_cache_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "vectors.sqlite"
    path.write_text("not a database, but long enough to be read as one" * 40, encoding="utf-8")
    with pytest.raises(StorageError, match="delete the file"):
        VectorCache(path).load("model", ["a"])


def test_the_fingerprint_follows_the_weights_and_nothing_else(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "1_Pooling").mkdir(parents=True)
        (tmp_path / name / "1_Pooling" / "config.json").write_text("{}", encoding="utf-8")
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    before = fingerprint(tmp_path / "one")
    assert before == fingerprint(tmp_path / "two")
    (tmp_path / "one" / "README.md").write_text("text", encoding="utf-8")
    assert fingerprint(tmp_path / "one") == before
    (tmp_path / "one" / "model.safetensors").write_bytes(b"other weights")
    assert fingerprint(tmp_path / "one") != before


def test_the_same_model_is_found_by_name_and_by_folder() -> None:
    folder = minilm_folder()
    assert find_embedder("minilm") == find_embedder(str(folder)) == folder
    assert load_embedder("minilm").fingerprint == load_embedder(str(folder)).fingerprint


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("minlm", "no such folder; give minilm"),
        ("./nowhere/at/all", "no such folder"),
        ("nobody/no-such-model", "cannot be fetched from the hub"),
    ],
)
def test_a_model_that_is_not_to_be_had_is_told(name: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    minilm_folder()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=expected):
        find_embedder(name)


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    minilm_folder()
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(InputError, match="holds no"):
        find_embedder(str(tmp_path))


def test_a_folder_that_holds_another_kind_of_model_is_told(tmp_path: Path) -> None:
    minilm_folder()
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is no SBERT model"):
        load_embedder(str(tmp_path)).embed(["a text that is in no cache"])


def test_a_missing_library_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.alignment.embedder_files.LIBRARY", "no_such_library")
    with pytest.raises(InputError, match=r"pip install 'docre-harness\[align\]'"):
        find_embedder("minilm")
