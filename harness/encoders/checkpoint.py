"""A trained encoder as a folder: ``config.json``, ``training.json`` and half-precision ``model.safetensors``.

Weights that training left as the pretrained encoder has them (its word embeddings, if frozen) are not stored;
their checksum is, and they are taken from the pretrained encoder when the folder is loaded. So are those of which
only the difference is stored (``low_rank``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.encoders.config import ModelConfig, read_record
from harness.encoders.entities.config import EntityConfig
from harness.encoders.glidre_config import GlidreConfig
from harness.encoders.low_rank import whole
from harness.encoders.weights import CONFIG, FORMAT, WEIGHTS, checksum, mismatch, read_weights
from harness.errors import InputError, StorageError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from harness.encoders.entities.model import EntityModel
    from harness.encoders.pair_model import EncoderModel, PairModel

Config = ModelConfig | GlidreConfig | EntityConfig


def new_model(
    config: ModelConfig | GlidreConfig, *, pretrained: bool = True, attention_dropout: float = 0.0
) -> PairModel:
    """A model of this shape around its pretrained encoder; the layers on top of it are random.

    Raises InputError for an encoder that cannot be used, and for a window longer than it reads.
    """
    from harness.encoders.backbone import load_encoder

    encoder = _encoder(config, pretrained=pretrained, attention_dropout=attention_dropout)
    if isinstance(config, ModelConfig):
        from harness.encoders.atlop import Atlop

        return Atlop(config, encoder)
    from harness.encoders.glidre import Glidre
    from harness.encoders.labels import read_label_names
    from harness.encoders.probing import check_vocabulary

    label_encoder = load_encoder(config.label_encoder, pretrained=pretrained, with_rows=False)
    label_ids, label_mask = read_label_names(config.label_encoder, config.label_names)
    check_vocabulary(config.label_encoder, label_encoder, int(label_ids.max()))
    return Glidre(config, encoder, label_encoder, label_ids, label_mask)


def new_entity_model(config: EntityConfig, *, pretrained: bool = True, attention_dropout: float = 0.0) -> EntityModel:
    """As ``new_model``, an entity finder."""
    from harness.encoders.entities.model import EntityModel

    return EntityModel(config, _encoder(config, pretrained=pretrained, attention_dropout=attention_dropout))


def model_for(config: Config) -> EncoderModel:
    """As ``new_model``, of any kind."""
    return new_entity_model(config) if isinstance(config, EntityConfig) else new_model(config)


def _encoder(config: Config, *, pretrained: bool, attention_dropout: float) -> PreTrainedModel:
    from harness.encoders.backbone import load_encoder, longest_window

    with_rows = not isinstance(config, EntityConfig)
    encoder = load_encoder(
        config.encoder, pretrained=pretrained, attention_dropout=attention_dropout, with_rows=with_rows
    )
    longest = longest_window(encoder)
    if longest is not None and config.window > longest:
        raise InputError(
            f"window {config.window}: the encoder {config.encoder} reads {longest} tokens at once at most: "
            f"write -O window={longest}"
        )
    return encoder


def read_config(folder: Path) -> ModelConfig | GlidreConfig:
    """The configuration of a trained encoder of pairs; InputError that names the field where it does not fit."""
    config = read_any_config(folder)
    if isinstance(config, EntityConfig):
        raise InputError(f"{folder}: an entity finder, which scores no pairs: give it to `harness extract --entities`")
    return config


def read_any_config(folder: Path) -> Config:
    """The configuration of a trained encoder of pairs, or of an entity finder."""
    path = folder / CONFIG
    try:
        task = json.loads(path.read_text(encoding="utf-8")).get("task")
    except (OSError, ValueError, AttributeError, RecursionError):
        task = None  # read_record says what is wrong with it
    if task == "entities":
        return read_record(EntityConfig, path)
    return read_record(GlidreConfig, path) if task == "glidre" else read_record(ModelConfig, path)


def save_model(folder: Path, config: Config, weights: Mapping[str, Tensor], shared: frozenset[str]) -> None:
    """Write configuration and weights; those named in ``shared`` only as their checksum.

    Raises StorageError where the folder cannot be written.
    """
    kept = {name: value for name, value in weights.items() if name not in shared}
    store(folder, config, kept, {name: checksum(weights[name]) for name in shared})


def store(folder: Path, config: Config, kept: Mapping[str, Tensor], shared: Mapping[str, str]) -> None:
    """Write configuration, weights in half precision, and the checksums of pretrained weights that they need.

    Raises StorageError where the folder cannot be written.
    """
    from safetensors.torch import save

    # One entry: safetensors writes several in a random order, and the same weights should be the same file.
    metadata = {FORMAT: json.dumps({"shared": dict(sorted(shared.items()))})}
    partial = folder / f"{WEIGHTS}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(save({name: _half(value) for name, value in kept.items()}, metadata))
        (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        partial.replace(folder / WEIGHTS)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written ({error.strerror or error}); free space or choose another"
        ) from error


def _half(value: Tensor) -> Tensor:
    import torch

    return (value.half() if value.dtype == torch.float32 else value).detach().contiguous()


def load_model(folder: Path, config: ModelConfig | GlidreConfig | None = None) -> PairModel:
    """The trained model in float32, ready to score; ``config`` is its own, perhaps with another label set.

    Raises InputError where a file is missing, truncated, not safetensors, or does not fit the configuration.
    """
    config = config or read_config(folder)
    stored = read_weights(folder / WEIGHTS)
    model = new_model(config, pretrained=bool(stored[1]))
    _give_weights(model, folder, stored)
    return model


def load_entity_model(folder: Path) -> EntityModel:
    """As ``load_model``, an entity finder."""
    config = read_record(EntityConfig, folder / CONFIG)
    stored = read_weights(folder / WEIGHTS)
    model = new_entity_model(config, pretrained=bool(stored[1]))
    _give_weights(model, folder, stored)
    return model


def _give_weights(model: EncoderModel, folder: Path, stored: tuple[Mapping[str, Tensor], Mapping[str, str]]) -> None:
    """Give a model its stored weights, and leave it ready to score."""
    weights, shared = stored
    own = model.state_dict()
    for name, expected in shared.items():
        if name not in own or checksum(own[name]) != expected:
            raise InputError(
                f"{folder}: its weights {name} are shared with the encoder {model.config.encoder}, which is another "
                "version here: install the one it was trained from"
            )
    weights = whole(weights, {name: own[name] for name in shared})
    fault = mismatch({name: value for name, value in own.items() if name in weights or name not in shared}, weights)
    if fault:
        raise InputError(f"{folder / WEIGHTS}: {fault}; the weights are of another architecture than {CONFIG} says")
    model.load_state_dict({name: value.to(own[name].dtype) for name, value in weights.items()}, strict=False)
    model.eval()


def start_from(model: PairModel, folder: Path) -> frozenset[str]:
    """Give a new model the weights of a trained one wherever name and shape agree; the names of those that changed.

    Other relations, or the same in another order, leave the layer that scores them as it was. Raises InputError as
    ``load_model`` does, where the folder is of another pretrained encoder, or where nothing agrees.
    """
    trained = load_model(folder)
    if trained.config.encoder != model.config.encoder:
        raise InputError(f"{folder}: trained from the encoder {trained.config.encoder}, not {model.config.encoder}")
    own, theirs = model.state_dict(), trained.state_dict()
    if trained.config.relations != model.config.relations:
        theirs = {name: value for name, value in theirs.items() if not name.startswith(trained.of_relations)}
    given = {name: theirs[name] for name, value in own.items() if name in theirs and theirs[name].shape == value.shape}
    changed = frozenset(name for name, value in given.items() if checksum(value) != checksum(own[name]))
    if not changed:
        raise InputError(f"{folder}: has no weights of the names and shapes that {model.config.task} has")
    model.load_state_dict(given, strict=False)
    return changed
