"""Published GLiDRE folders: a small one, written with the published names, gives the published scores."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, PreTrainedModel

from harness.encoders.backbone import load_tokenizer
from harness.encoders.scorer import EncoderScorer, encoder_folder
from harness.errors import InputError
from harness.models import ENCODER, resolve_model
from harness.types import Document, RelationSchema
from tests.encoders.glidre_loops import PublishedForm, Words
from tests.encoders.test_atlop import varied

SIZE = 24
WIDTH = 32


def parameters_of(text: PreTrainedModel, labels: PreTrainedModel, adaptive: bool) -> dict[str, Tensor]:
    """All parameters that the published code makes for these encoders, its unused LSTM among them; random."""
    torch.manual_seed(5)
    made = {f"token_rep_layer.bert_layer.model.{name}": value for name, value in text.state_dict().items()}
    made |= {f"token_rep_layer.labels_encoder.model.{name}": value for name, value in labels.state_dict().items()}

    def linear(name: str, inputs: int, outputs: int) -> None:
        made[f"{name}.weight"] = torch.randn(outputs, inputs) / inputs**0.5
        made[f"{name}.bias"] = torch.randn(outputs) / 10

    linear("token_rep_layer.projection", WIDTH, SIZE)
    linear("token_rep_layer.labels_projection", WIDTH, SIZE)
    for name in ("head_extractor", "tail_extractor", "projection"):
        linear(f"span_rep_layer.{name}.0", 2 * SIZE, 4 * SIZE)
        linear(f"span_rep_layer.{name}.3", 4 * SIZE, SIZE)
    linear("prompt_rep_layer.0", SIZE, 4 * SIZE)
    linear("prompt_rep_layer.3", 4 * SIZE, SIZE)
    if adaptive:
        linear("threshold_layer.0", 2 * SIZE, SIZE)
        linear("threshold_layer.3", SIZE, 1)
    for end in ("", "_reverse"):
        made[f"rnn.lstm.weight_ih_l0{end}"] = torch.randn(2 * SIZE, SIZE)
        made[f"rnn.lstm.weight_hh_l0{end}"] = torch.randn(2 * SIZE, SIZE // 2)
        made[f"rnn.lstm.bias_ih_l0{end}"] = torch.randn(2 * SIZE)
        made[f"rnn.lstm.bias_hh_l0{end}"] = torch.randn(2 * SIZE)
    return {name: value.detach().clone() for name, value in made.items()}


class Publisher:
    """Writes folders as the published code does."""

    def __init__(self, tiny_encoder: Callable[[str], str], folder: Path) -> None:
        self.folder = folder
        self.text, self.labels = tiny_encoder("deberta-v2"), tiny_encoder("bert")

    def write(
        self, *, adaptive: bool = False, as_pickle: bool = False, prefix: str = "model.", **fields: object
    ) -> Path:
        text = AutoModel.from_pretrained(self.text, attn_implementation="eager")
        labels = AutoModel.from_pretrained(self.labels)
        self.parameters = parameters_of(text, labels, adaptive)
        named = {f"{prefix}{name}": value for name, value in self.parameters.items()}
        if as_pickle:
            torch.save(named, self.folder / "pytorch_model.bin")
        else:
            save_file(named, self.folder / "model.safetensors")
        AutoTokenizer.from_pretrained(self.text).save_pretrained(self.folder)
        config = {
            "model_type": "glidre",
            "model_name": "nobody/has-this-text-encoder",
            "labels_encoder": self.labels,
            "encoder_config": json.loads(text.config.to_json_string(use_diff=False)),
            "labels_encoder_config": json.loads(labels.config.to_json_string(use_diff=False)),
            "hidden_size": SIZE,
            "dropout": 0.4,
            "max_len": 512,
            "has_rnn": True,
            "subtoken_pooling": "first",
            "self_rel": True,
            "pooling": "mean",
            "atlop": True,
            "loss": "atloss" if adaptive else "",
            **fields,
        }
        (self.folder / "glidre_config.json").write_text(json.dumps(config))
        return self.folder

    def judged(
        self, document: Document, schema: RelationSchema, pooling: str, localized: bool, adaptive: bool
    ) -> Tensor:
        """The published scores [n, n, k], less the threshold's where it is adaptive."""
        tokenizer = load_tokenizer(self.text)
        text = AutoModel.from_pretrained(self.text, attn_implementation="eager")
        words = Words.of(document, tokenizer)
        flat = [word for sentence in document.sentences for word in sentence]
        subwords = tokenizer(flat, is_split_into_words=True, add_special_tokens=False).input_ids
        ids = torch.tensor([[tokenizer.cls_token_id, *subwords, tokenizer.sep_token_id]])
        read = text(input_ids=ids, output_attentions=True)
        starts = torch.tensor(words.starts) + 1
        form = PublishedForm(self.parameters, pooling, localized, adaptive)
        states = form.projected("projection", read.last_hidden_state[0, starts])
        attention = read.attentions[-1][0].mean(0)[starts][:, starts]
        names = [relation.name.upper().replace(" ", "_") for relation in schema.relations]
        labels = form.label_states(AutoModel.from_pretrained(self.labels), load_tokenizer(self.labels), names)
        scores = form.scores(states, attention, words.entities, labels)
        return scores[..., 1:] - scores[..., :1] if adaptive else scores


@pytest.fixture
def publisher(tiny_encoder: Callable[[str], str], tmp_path: Path) -> Publisher:
    return Publisher(tiny_encoder, tmp_path)


@pytest.mark.parametrize(
    ("pooling", "localized", "adaptive", "as_pickle", "prefix"),
    [
        ("mean", True, False, False, "model."),
        ("logsumexp", True, False, True, ""),
        ("mean", False, False, False, ""),
        ("mean", True, True, True, "model."),
    ],
)
@torch.no_grad()
def test_a_published_folder_gives_the_published_scores(
    publisher: Publisher,
    documents: list[Document],
    schema: RelationSchema,
    pooling: str,
    localized: bool,
    adaptive: bool,
    as_pickle: bool,
    prefix: str,
) -> None:
    folder = publisher.write(
        adaptive=adaptive,
        as_pickle=as_pickle,
        prefix=prefix,
        pooling=pooling,
        atlop=localized,
        loss="atloss" * adaptive,
    )
    if not localized:
        publisher.parameters = {name: value for name, value in publisher.parameters.items() if "extractor" not in name}
        save_file(publisher.parameters, folder / "model.safetensors")
    several = varied(documents)
    scorer = EncoderScorer(folder, {"precision": "fp32"}, schema)
    for document, found in zip(several, scorer.score(several), strict=True):
        judged = publisher.judged(document, schema, pooling, localized, adaptive)
        margins = found.scores[:, :-1] - found.scores[:, -1:]
        expected = torch.stack([judged[h, t] for h, t in found.pairs.tolist()])
        # As stored: rounded to half precision.
        torch.testing.assert_close(torch.from_numpy(margins), expected, rtol=4e-3, atol=4e-3)
        assert expected.std() > 0.1


def test_the_threshold_is_a_probability(
    publisher: Publisher, documents: list[Document], schema: RelationSchema
) -> None:
    folder = publisher.write()
    (scores,) = EncoderScorer(folder, {}, schema).score(documents[:1])
    probabilities = torch.from_numpy(scores.scores[:, :-1]).sigmoid().flatten().sort().values.tolist()
    assert len(scores.predictions()) == sum(probability > 0.5 for probability in probabilities)
    for count in (1, len(probabilities) // 2):
        threshold = (probabilities[-count] + probabilities[-count - 1]) / 2
        (scores,) = EncoderScorer(folder, {"threshold": str(threshold)}, schema).score(documents[:1])
        assert len(scores.predictions()) == count


@pytest.mark.parametrize("threshold", ["0", "1", "often", "nan"])
def test_a_threshold_that_is_no_probability_is_refused(
    publisher: Publisher, schema: RelationSchema, threshold: str
) -> None:
    with pytest.raises(InputError, match=f"-M threshold={threshold}: write a probability"):
        EncoderScorer(publisher.write(), {"threshold": threshold}, schema)


def test_a_published_folder_is_an_encoder_by_its_path(publisher: Publisher) -> None:
    folder = publisher.write(as_pickle=True)
    assert resolve_model(str(folder)).runner == ENCODER
    assert encoder_folder(str(folder)) == folder


def test_a_published_model_needs_a_label_set(publisher: Publisher) -> None:
    with pytest.raises(InputError, match="no label set of its own"):
        EncoderScorer(publisher.write())


def score_one(folder: Path, documents: list[Document], schema: RelationSchema) -> object:
    return next(EncoderScorer(folder, {}, schema).score(documents))


@pytest.mark.parametrize("as_pickle", [False, True])
def test_truncated_weights_are_refused(
    publisher: Publisher, documents: list[Document], schema: RelationSchema, as_pickle: bool
) -> None:
    folder = publisher.write(as_pickle=as_pickle)
    weights = folder / ("pytorch_model.bin" if as_pickle else "model.safetensors")
    content = weights.read_bytes()
    for size in (0, 7, len(content) // 2, len(content) - 1):
        weights.write_bytes(content[:size])
        with pytest.raises(InputError, match="cannot be read as weights") as caught:
            score_one(folder, documents, schema)
        assert "\n" not in str(caught.value)


class Payload:
    """Unpickling it would create the file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("dump", [lambda payload, path: path.write_bytes(pickle.dumps(payload)), torch.save])
def test_a_pickle_with_a_payload_is_not_run(
    publisher: Publisher,
    documents: list[Document],
    schema: RelationSchema,
    tmp_path: Path,
    dump: Callable[[object, Path], object],
) -> None:
    folder = publisher.write(as_pickle=True)
    dump({"model.weight": Payload(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be read as weights"):
        score_one(folder, documents, schema)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_of_something_else_is_refused(
    publisher: Publisher, documents: list[Document], schema: RelationSchema
) -> None:
    folder = publisher.write(as_pickle=True)
    torch.save([1, 2], folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="something else than named weights"):
        score_one(folder, documents, schema)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"hidden_size": 16}, "has shape .* another architecture"),
        ({"atlop": False}, "head.inner.bias is not expected"),
        ({"loss": "atloss"}, "threshold.0.bias is missing"),
        ({"encoder_config": {"model_type": "abacus"}}, "not the configuration of an encoder"),
        ({"fuse_layers": True}, "fuse_layers is True"),
        ({"post_fusion_schema": "l2l"}, "post_fusion_schema is 'l2l'"),
        ({"model_name": None}, "must name model_name and labels_encoder"),
        ({"pooling": "max"}, "pooling"),
        ({"hidden_size": "wide"}, "hidden_size"),
    ],
)
def test_another_architecture_is_refused(
    publisher: Publisher, documents: list[Document], schema: RelationSchema, fields: dict[str, object], says: str
) -> None:
    folder = publisher.write(**fields)
    with pytest.raises(InputError, match=says) as caught:
        score_one(folder, documents, schema)
    assert "\n" not in str(caught.value)


def test_a_folder_without_weights_is_refused(publisher: Publisher, schema: RelationSchema) -> None:
    folder = publisher.write()
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no weights"):
        EncoderScorer(folder, {}, schema)
