"""Whatever a folder or an architecture is, it gives what is pooled, or is refused in one line that says what works."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from harness.encoders.attention_rows import encode
from harness.encoders.backbone import load_encoder, load_tokenizer
from harness.encoders.checkpoint import new_model
from harness.encoders.glidre_config import GlidreConfig
from harness.encoders.probing import check_encoder, check_vocabulary
from harness.encoders.scorer import encoder_folder
from harness.errors import InputError
from harness.training.fit import TrainingJob, train_encoder
from tests.encoders.small import Recorder

TinyEncoder = Callable[[str], str]


@pytest.mark.parametrize("kind", ["distilbert", "albert", "modernbert"])
def test_attention_rows_of_any_architecture_are_those_of_its_whole_matrices(
    tiny_encoder: TinyEncoder, kind: str
) -> None:
    encoder = load_encoder(tiny_encoder(kind)).eval()
    input_ids = torch.randint(5, 60, (2, 40), generator=torch.Generator().manual_seed(0))
    attention_mask = torch.ones_like(input_ids)
    attention_mask[1, 30:] = 0
    positions = torch.tensor([[1, 25], [2, 20]])
    with torch.no_grad():
        states, rows = encode(encoder, input_ids, attention_mask, positions)
        encoder.set_attn_implementation("eager")
        output = encoder(input_ids=input_ids, attention_mask=attention_mask, output_attentions=True)
    expected = torch.stack([output.attentions[-1][window, :, positions[window]] for window in range(2)])
    assert (rows - expected).abs().max() < 1e-5
    assert (states - output.last_hidden_state)[attention_mask.bool()].abs().max() < 1e-4


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("longformer", "LongformerModel does not give the attention of a token over all tokens of its window"),
        ("fnet", "FNetModel does not give the attention"),
        ("t5", "T5Model is an encoder with a decoder"),
        ("gpt2", "GPT2Model reads from left to right only"),
    ],
)
def test_an_architecture_without_what_is_pooled_is_refused_with_what_works(
    tiny_encoder: TinyEncoder, capfd: pytest.CaptureFixture[str], kind: str, fault: str
) -> None:
    with pytest.raises(InputError) as caught:
        load_encoder(tiny_encoder(kind))
    assert str(caught.value).startswith(f"encoder {tiny_encoder(kind)}: {fault}")
    assert "such as BERT" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_training_on_such_an_encoder_ends_before_it_begins(
    tiny_encoder: TinyEncoder, corpus: Path, tmp_path: Path
) -> None:
    options = {"encoder": tiny_encoder("longformer"), "window": "32"}
    job = TrainingJob("atlop", str(corpus), choose=2, report=2, options=options)
    with pytest.raises(InputError, match="LongformerModel"):
        train_encoder(job, tmp_path / "out", Recorder())
    assert not (tmp_path / "out").exists()


def test_labels_are_read_by_any_model_that_gives_a_state_of_each_token(tiny_encoder: TinyEncoder) -> None:
    def model(kind: str) -> GlidreConfig:
        folders = {"encoder": tiny_encoder("bert"), "label_encoder": tiny_encoder(kind)}
        return GlidreConfig(relations=("P17",), label_names=("country",), window=32, **folders)

    new_model(model("gpt2"))
    with pytest.raises(InputError, match="T5Model is an encoder with a decoder"):
        new_model(model("t5"))


def test_the_check_changes_nothing_that_a_training_depends_on(tiny_encoder: TinyEncoder) -> None:
    encoder = load_encoder(tiny_encoder("bert")).train()
    before = torch.get_rng_state()
    check_encoder("tiny", encoder, with_rows=True)
    assert encoder.training
    assert torch.equal(torch.get_rng_state(), before)


def _without_tokenizer(folder: Path) -> None:
    for file in folder.glob("*token*"):
        file.unlink()


def _without_padding(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "pad_token": None}), encoding="utf-8")


def _of_another_model(folder: Path) -> None:
    other = AutoModel.from_pretrained(folder)
    del other.encoder.layer[1]
    other.save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "num_hidden_layers": 2}))


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (_without_tokenizer, "it has no tokenizer"),
        (_without_padding, "its tokenizer has no token for padding"),
        (_of_another_model, "its weights have no encoder.layer.1."),
        (_cut, "cannot be loaded: Error while deserializing header"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded: Error no file named"),
        (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON file"),
        (lambda folder: (folder / "config.json").write_text("[]"), "cannot be loaded: Unrecognized model"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be loaded: "),
        (shutil.rmtree, "there is no such folder"),
    ],
)
def test_a_folder_that_is_no_model_is_told_in_one_line(
    tiny_encoder: TinyEncoder, tmp_path: Path, damage: Callable[[Path], object], fault: str
) -> None:
    folder = Path(shutil.copytree(tiny_encoder("bert"), tmp_path / "model"))
    damage(folder)
    with pytest.raises(InputError) as caught:
        load_encoder(str(folder)), load_tokenizer(str(folder))
    assert str(caught.value).startswith(f"encoder {folder}: ")
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_of_another_model_is_told(tiny_encoder: TinyEncoder) -> None:
    encoder = load_encoder(tiny_encoder("bert"))
    tokens = encoder.get_input_embeddings().num_embeddings
    check_vocabulary("tiny", encoder, tokens - 1)
    with pytest.raises(InputError, match=f"encoder tiny: its tokenizer is of another model: it gives token {tokens}"):
        check_vocabulary("tiny", encoder, tokens)


def test_a_pretrained_model_is_told_from_a_trained_encoder(tiny_encoder: TinyEncoder) -> None:
    with pytest.raises(InputError, match="a pretrained bert, no trained encoder: `harness train atlop --encoder"):
        encoder_folder(tiny_encoder("bert"))
