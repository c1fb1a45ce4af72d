"""Compressed encoders: the nearest of their rank, checked against the pretrained one, and run like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.encoders.atlop import Atlop
from harness.encoders.backbone import load_encoder
from harness.encoders.checkpoint import load_model, new_model, save_model
from harness.encoders.config import ModelConfig
from harness.encoders.low_rank import LEFT, RIGHT
from harness.encoders.scorer import EncoderScorer
from harness.encoders.weights import CONFIG, TRAINING, WEIGHTS
from harness.errors import InputError
from harness.training.combining import make_ensemble
from harness.training.compressing import compress
from harness.training.fit import TrainingJob
from harness.types import Document
from tests.commands import error_line, harness, harness_json

WORD_EMBEDDINGS = "encoder.embeddings.word_embeddings.weight"
MATRIX = "encoder.encoder.layer.1.intermediate.dense.weight"


@pytest.fixture
def model(tiny_encoder: Callable[[str], str]) -> Atlop:
    """A model whose encoder was moved in four directions, of the sizes 4, 3, 2 and 1."""
    config = ModelConfig(
        encoder=tiny_encoder("bert"), relations=("P17",), window=64, overlap=8, projection_size=16, block_size=4
    )
    made = new_model(config)
    assert isinstance(made, Atlop)
    torch.manual_seed(0)
    weights = made.state_dict()
    for name, value in weights.items():
        if name.startswith("encoder.") and value.ndim == 2 and min(value.shape) > 4 and name != WORD_EMBEDDINGS:
            left, right = (torch.linalg.qr(torch.randn(size, 4))[0] for size in value.shape)
            weights[name] = value + 0.1 * (left * torch.tensor([4.0, 3.0, 2.0, 1.0])) @ right.T
        elif name.startswith("encoder."):
            weights[name] = value + 0.01 if name != WORD_EMBEDDINGS else value
    made.load_state_dict(weights)
    return made


@pytest.fixture
def folder(model: Atlop, tmp_path: Path) -> Path:
    save_model(tmp_path / "whole", model.config, model.state_dict(), frozenset({WORD_EMBEDDINGS}))
    (tmp_path / "whole" / TRAINING).write_text(json.dumps({"question": {}}))
    return tmp_path / "whole"


def test_differences_of_that_rank_come_back_and_lower_ranks_come_nearest(
    model: Atlop, folder: Path, tmp_path: Path
) -> None:
    expected = model.state_dict()
    for rank, lost in ((4, 0.0), (3, 0.1), (1, (0.3**2 + 0.2**2 + 0.1**2) ** 0.5)):
        compress(folder, rank, tmp_path / str(rank))
        loaded = load_model(tmp_path / str(rank)).state_dict()
        assert float((loaded[MATRIX] - expected[MATRIX]).norm()) == pytest.approx(lost, abs=5e-3)
        for name, value in expected.items():
            if value.ndim == 1 or not name.startswith("encoder."):
                torch.testing.assert_close(loaded[name], value.half().float(), rtol=0, atol=0)


def test_only_what_is_smaller_is_stored_in_factors(folder: Path, tmp_path: Path) -> None:
    made = compress(folder, 4, tmp_path / "small")
    stored = load_file(tmp_path / "small" / WEIGHTS)
    assert MATRIX not in stored
    assert stored[MATRIX + LEFT].shape == (48, 4)
    assert stored[MATRIX + RIGHT].shape == (4, 32)
    assert "encoder.embeddings.token_type_embeddings.weight" in stored, "[2, 32] is smaller whole"
    assert "head.entity.weight" in stored, "no pretrained encoder has it"
    assert made.after == (tmp_path / "small" / WEIGHTS).stat().st_size < made.before
    record = json.loads((tmp_path / "small" / TRAINING).read_text())
    assert record["question"] == {}
    assert record["compressed"]["rank"] == 4
    assert not list(tmp_path.glob("*.partial"))
    with pytest.raises(InputError, match="give a smaller --rank"):
        compress(folder, 31, tmp_path / "large")


def test_the_encoder_inside_is_the_same_for_those_that_build_on_it(folder: Path, tmp_path: Path) -> None:
    compress(folder, 2, tmp_path / "small")
    inside = load_encoder(str(tmp_path / "small")).state_dict()
    loaded = load_model(tmp_path / "small").encoder.state_dict()
    assert all(torch.equal(inside[name], value) for name, value in loaded.items())


def test_another_pretrained_encoder_is_noticed(
    folder: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.encoders.tiny import save_tiny_encoder

    compress(folder, 2, tmp_path / "small")
    other = save_tiny_encoder(tmp_path_factory.mktemp("other"))
    weights = load_file(other / "model.safetensors")
    weights[MATRIX.removeprefix("encoder.")] += 1
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    config = json.loads((tmp_path / "small" / CONFIG).read_text())
    (tmp_path / "small" / CONFIG).write_text(json.dumps({**config, "encoder": str(other)}))
    with pytest.raises(InputError, match="another version"):
        load_model(tmp_path / "small")


def test_an_encoder_with_a_broken_record_is_not_compressed(folder: Path, tmp_path: Path) -> None:
    for content in ("{", "[]"):
        (folder / TRAINING).write_text(content)
        with pytest.raises(InputError, match=f"{TRAINING}: cannot be read"):
            compress(folder, 2, tmp_path / "small")
        assert not list(tmp_path.glob("small*"))


@pytest.mark.parametrize("damage", ["without", "narrow", "flat", "long"])
def test_factors_that_do_not_fit_are_refused(folder: Path, tmp_path: Path, damage: str) -> None:
    compress(folder, 2, tmp_path / "small")
    path = tmp_path / "small" / WEIGHTS
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    stored = load_file(path)
    right: Tensor = stored.pop(MATRIX + RIGHT)
    shapes = {"narrow": right[:, :-1], "flat": right.flatten(), "long": torch.cat([right, right])}
    if damage in shapes:
        stored[MATRIX + RIGHT] = shapes[damage].contiguous()
    save_file(stored, path, metadata)
    with pytest.raises(InputError, match="is not expected; the weights are of another architecture"):
        load_model(tmp_path / "small")


def test_a_compressed_encoder_is_run_and_put_together(
    trained: Path, corpus: Path, documents: list[Document], tmp_path: Path
) -> None:
    made = harness_json("train", "compress", trained, "--rank", "8", "--out", tmp_path / "small")
    assert made["folder"] == str(tmp_path / "small")
    assert made["after"] < made["before"]
    small = tmp_path / "small"
    near, whole = (list(EncoderScorer(one).score(documents)) for one in (small, trained))
    differences = [abs(a.scores - b.scores).mean() for a, b in zip(near, whole, strict=True)]
    assert 0 < max(differences) < 1
    job = TrainingJob("atlop", str(corpus), choose=2, report=2)
    make_ensemble([trained, small], job, tmp_path / "both")
    for arguments, message in (
        ((tmp_path / "both", "--rank", "8", "--out", tmp_path / "more"), "compress its members"),
        ((trained, "--rank", "8", "--out", small), "is there: name another folder"),
        ((small, "--rank", "8", "--out", tmp_path / "more"), "give a smaller --rank"),
    ):
        assert message in error_line(harness("train", "compress", *arguments))
