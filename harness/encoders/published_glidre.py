"""GLiDRE as its authors publish it (cea-list-ia/glidre_large): a folder of theirs becomes a model of ours.

Such a folder holds ``glidre_config.json``, the weights as ``model.safetensors`` or ``pytorch_model.bin``, and
the text encoder's tokenizer. A pickle is read by PyTorch's loader of weights only, which runs no code in it; code
from the hub is never run. Layers that the published model has but does not use (its LSTM) are left out.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.encoders.backbone import configuration_of, encoder_of_shape
from harness.encoders.glidre_config import GlidreConfig, label_name
from harness.errors import InputError
from harness.records.base import first_fault
from harness.types import RelationSchema

if TYPE_CHECKING:
    from torch import Tensor

    from harness.encoders.glidre import Glidre

PUBLISHED_CONFIG = "glidre_config.json"
PUBLISHED_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
TOKENIZER_CONFIG = "tokenizer_config.json"
TOKENIZER_FILES = (TOKENIZER_CONFIG, "tokenizer.json", "spm.model", "special_tokens_map.json", "added_tokens.json")

_OURS = (
    ("token_rep_layer.bert_layer.model.", "encoder."),
    ("token_rep_layer.projection.", "projection."),
    ("token_rep_layer.labels_encoder.model.", "label_encoder."),
    ("token_rep_layer.labels_projection.", "label_projection."),
    ("span_rep_layer.head_extractor.", "head."),
    ("span_rep_layer.tail_extractor.", "tail."),
    ("span_rep_layer.projection.", "pair."),
    ("prompt_rep_layer.", "label."),
    ("threshold_layer.", "threshold."),
)
_FEED_FORWARD = re.compile(r"^(head|tail|pair|label)\.(0|3)\.")
_UNUSED = re.compile(r"^rnn\.|\.pooler\.|\.position_ids$")
# What the published code can also do, and no published model is known to: field, value that we compute.
_REQUIRED: Mapping[str, object] = {
    "subtoken_pooling": "first",
    "post_fusion_schema": "",
    "fuse_layers": False,
    "cross_attention": False,
    "self_rel": True,
}


@dataclass(frozen=True)
class PublishedGlidre:
    """A published model's folder, read: what it is, without its weights."""

    folder: Path
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> PublishedGlidre:
        """Raises InputError where the configuration is missing, damaged, or asks for what we do not compute."""
        path = folder / PUBLISHED_CONFIG
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path}: cannot be read ({error}); fetch it again") from error
        if not isinstance(fields, dict) or not all(
            isinstance(fields.get(name), str) for name in ("model_name", "labels_encoder")
        ):
            raise InputError(f"{path}: not of a GLiDRE model: it must name model_name and labels_encoder")
        for name, wanted in _REQUIRED.items():
            if fields.get(name, wanted) != wanted:
                raise InputError(f"{path}: {name} is {fields[name]!r}: only {wanted!r} can be computed here")
        return cls(folder, fields)

    @property
    def tokenizer(self) -> str:
        """The name of the text encoder's tokenizer: the folder, if it holds one."""
        return str(self.folder) if (self.folder / TOKENIZER_CONFIG).is_file() else str(self.fields["model_name"])

    @property
    def weights(self) -> Path:
        """The file of the weights, safetensors before a pickle; InputError if there is neither."""
        for name in PUBLISHED_WEIGHTS:
            if (self.folder / name).is_file():
                return self.folder / name
        raise InputError(f"{self.folder}: no weights; there must be {' or '.join(PUBLISHED_WEIGHTS)}")

    def config(self, schema: RelationSchema) -> GlidreConfig:
        """The configuration with which these relations are scored, their names in capitals as in training."""
        shape = self._shape("encoder_config", "model_name")
        try:
            limit = int(shape.get("max_position_embeddings", 512))
            if "roberta" in str(shape.get("model_type")):
                # Its positions begin after that of padding.
                limit -= int(shape.get("pad_token_id", 1)) + 1
            # Positions relative to each other end nowhere: a text of max_len words fits in one window.
            is_relative = shape.get("relative_attention") and not shape.get("position_biased_input", True)
            return GlidreConfig(
                relations=tuple(relation.id for relation in schema.relations),
                label_names=tuple(label_name(relation.name, "upper") for relation in schema.relations),
                label_style="upper",
                encoder=self.fields["model_name"],
                label_encoder=self.fields["labels_encoder"],
                hidden_size=self.fields.get("hidden_size", 512),
                window=2 * int(self.fields.get("max_len", 512)) if is_relative else limit,
                overlap=min(128, limit // 4),
                pooling=self.fields.get("pooling", "mean"),
                localized_context=self.fields.get("atlop", True),
                adaptive=self.fields.get("loss") in ("atloss", "afloss"),
                dropout=self.fields.get("dropout", 0.4),
            )
        except ValidationError as error:
            raise InputError(f"{self.folder / PUBLISHED_CONFIG}: {first_fault(error)}") from None
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.folder / PUBLISHED_CONFIG}: max_len or positions: {error}") from None

    def model(self, config: GlidreConfig) -> Glidre:
        """The model in float32, ready to score; InputError where the weights are damaged or do not fit."""
        from harness.encoders.glidre import Glidre
        from harness.encoders.labels import read_label_names
        from harness.encoders.weights import mismatch

        encoder = encoder_of_shape(config.encoder, self._shape("encoder_config", "model_name"))
        labels_shape = self._shape("labels_encoder_config", "labels_encoder")
        label_encoder = encoder_of_shape(config.label_encoder, labels_shape, with_rows=False)
        labels = read_label_names(config.label_encoder, config.label_names)
        model = Glidre(config, encoder, label_encoder, *labels)
        weights = {our_name(name): value.float() for name, value in named_tensors(self.weights).items()}
        weights = {name: value for name, value in weights.items() if not _UNUSED.search(name)}
        if fault := mismatch(model.state_dict(), weights):
            raise InputError(
                f"{self.weights}: {fault}; the weights are of another architecture than {PUBLISHED_CONFIG} says"
            )
        model.load_state_dict(weights)
        model.eval()
        return model

    def _shape(self, field: str, name: str) -> Mapping[str, Any]:
        """An encoder's own configuration: stored in the folder, or that of its name."""
        stored = self.fields.get(field)
        return stored if isinstance(stored, dict) else configuration_of(str(self.fields[name]))


def our_name(name: str) -> str:
    """The name that a published parameter has in our module."""
    name = name.removeprefix("model.")
    for theirs, ours in _OURS:
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
            break
    return _FEED_FORWARD.sub(lambda found: f"{found[1]}.{'inner' if found[2] == '0' else 'outer'}.", name)


def named_tensors(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a safetensors file or a pickle by name; nothing that is stored in them is run.

    Raises InputError where the file is damaged or holds anything but named tensors.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: cannot be read as weights ({reason}); fetch it again") from error
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise InputError(f"{path}: holds something else than named weights; give the folder of a GLiDRE model")
    return content
