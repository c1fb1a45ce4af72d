"""Saved models: what is stored, what comes back, and what is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.encoders.atlop import Atlop
from harness.encoders.checkpoint import load_model, new_model, save_model
from harness.encoders.config import ModelConfig
from harness.encoders.scorer import EncoderScorer, encoder_folder
from harness.encoders.weights import CONFIG, WEIGHTS
from harness.errors import InputError
from harness.types import Document

WORD_EMBEDDINGS = "encoder.embeddings.word_embeddings.weight"


@pytest.fixture
def model(tiny_encoder: Callable[[str], str]) -> Atlop:
    config = ModelConfig(
        encoder=tiny_encoder("bert"),
        relations=("P17", "P36"),
        window=64,
        overlap=8,
        projection_size=16,
        block_size=4,
        threshold=0.5,
    )
    return new_model(config)


@pytest.fixture
def folder(model: Atlop, tmp_path: Path) -> Path:
    save_model(tmp_path, model.config, model.state_dict(), frozenset({WORD_EMBEDDINGS}))
    return tmp_path


def test_a_loaded_model_has_the_weights_in_half_precision(model: Atlop, folder: Path) -> None:
    loaded = load_model(folder)
    assert loaded.config == model.config
    for name, value in model.state_dict().items():
        expected = value if name == WORD_EMBEDDINGS else value.half().float()
        torch.testing.assert_close(loaded.state_dict()[name], expected, rtol=0, atol=0)


def test_what_the_pretrained_encoder_holds_is_not_stored_again(folder: Path) -> None:
    stored = load_file(folder / WEIGHTS)
    assert WORD_EMBEDDINGS not in stored
    assert {value.dtype for value in stored.values()} == {torch.float16}


def test_another_pretrained_encoder_is_noticed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.encoders.tiny import save_tiny_encoder

    other = save_tiny_encoder(tmp_path_factory.mktemp("other"))
    weights = load_file(other / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] += 1
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    _edit_config(folder, encoder=str(other))
    with pytest.raises(InputError, match="another version"):
        load_model(folder)


def _edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | changes))


def test_a_truncated_file_is_refused(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    for size in (0, 7, len(content) // 2, len(content) - 1):
        (folder / WEIGHTS).write_bytes(content[:size])
        with pytest.raises(InputError, match="not a whole safetensors file"):
            load_model(folder)


class Payload:
    """Unpickling it would create the file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("dump", [lambda payload, path: path.write_bytes(pickle.dumps(payload)), torch.save])
def test_a_pickle_is_not_run(folder: Path, tmp_path: Path, dump: Callable[[Payload, Path], object]) -> None:
    dump(Payload(tmp_path / "ran"), folder / WEIGHTS)
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_model(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"projection_size": 32}, "has shape"),
        ({"distances": True}, "distance.weight is missing"),
        ({"relations": ["P17"]}, "has shape"),
    ],
)
def test_weights_of_another_architecture_are_refused(folder: Path, changes: dict[str, object], message: str) -> None:
    _edit_config(folder, **changes)
    with pytest.raises(InputError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block_size": 5}, "block_size 5 does not divide"),
        ({"relations": []}, "relations is empty"),
        ({"colour": "blue"}, "colour"),
        ({"window": "wide"}, "window"),
        ({"task": "glide"}, "task"),
    ],
)
def test_an_unfit_configuration_is_refused_with_its_field(
    folder: Path, changes: dict[str, object], message: str
) -> None:
    _edit_config(folder, **changes)
    with pytest.raises(InputError, match=message):
        load_model(folder)


def test_safetensors_of_somebody_else_are_refused(folder: Path) -> None:
    save_file({"weight": torch.zeros(1)}, folder / WEIGHTS)
    with pytest.raises(InputError, match="not written by this harness"):
        load_model(folder)


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trained encoder here"):
        encoder_folder(str(tmp_path))


@pytest.mark.parametrize("option", ["colour=blue", "precision=int1", "threads=0", "threads=many", "device=abacus"])
def test_unfit_options_of_a_scorer_are_refused(folder: Path, documents: list[Document], option: str) -> None:
    key, _, value = option.partition("=")
    with pytest.raises(InputError, match=f"-M {key}"):
        list(EncoderScorer(folder, {key: value}).score(documents))


def test_the_threshold_is_part_of_the_scores(folder: Path, documents: list[Document]) -> None:
    with_threshold = next(EncoderScorer(folder).score(documents)).scores
    _edit_config(folder, threshold=0.0)
    without = next(EncoderScorer(folder).score(documents)).scores
    assert with_threshold[:, :-1] == pytest.approx(without[:, :-1])
    assert with_threshold[:, -1] == pytest.approx(without[:, -1] + 0.5, abs=0.01)
