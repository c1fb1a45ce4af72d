"""Whether a pretrained model can read documents for us: short forward passes tell, whatever its architecture."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from harness.encoders.attention_rows import ATTENTION_NAME, encode
from harness.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

INSTEAD = "use an encoder in which every token attends to every other, such as BERT, RoBERTa, DeBERTa or ModernBERT"

# Even: where attention is kept by the window around each token, its rows have an odd number of places.
TOKENS = 8


def check_encoder(name: str, model: PreTrainedModel, *, with_rows: bool) -> None:
    """Raise InputError, in one line with the architecture, for a model that does not give what is wanted of it.

    Wanted is a hidden state of every token [windows, tokens, size]; ``with_rows``, in which a token knows those after
    it, and attention rows over all tokens. A model that does not give single rows is set to compute whole matrices.
    """
    is_training = model.training
    model.eval()
    fault = _fault(model, with_rows=with_rows)
    if fault and model.config._attn_implementation == ATTENTION_NAME:
        model.set_attn_implementation("eager")
        fault = _fault(model, with_rows=with_rows)
    model.train(is_training)
    if fault:
        raise InputError(f"encoder {name}: {type(model).__name__} {fault}; {INSTEAD}")


def check_vocabulary(name: str, model: PreTrainedModel, highest: int) -> None:
    """Raise InputError where the ``highest`` id that an encoder's tokenizer gave is none of the encoder's tokens."""
    embeddings: Any = model.get_input_embeddings()
    if highest >= embeddings.num_embeddings:
        raise InputError(
            f"encoder {name}: its tokenizer is of another model: it gives token {highest} to one of "
            f"{embeddings.num_embeddings} tokens; use a folder in which both are of one model"
        )


def _fault(model: PreTrainedModel, *, with_rows: bool) -> str:
    """What a model does otherwise than wanted with two windows that differ in their last token; empty if nothing."""
    import torch

    if "decoder_input_ids" in inspect.signature(model.forward).parameters:
        return "is an encoder with a decoder"
    input_ids = torch.arange(3, 3 + TOKENS).repeat(2, 1)
    input_ids[1, -1] = 2
    attention_mask = torch.ones_like(input_ids)
    try:
        with torch.no_grad():
            states = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        wanted = [2, TOKENS, model.config.hidden_size]
    except Exception as error:  # the code of any architecture, which may raise anything
        return f"cannot be run on the tokens of a text ({type(error).__name__}: {(str(error).splitlines() or [''])[0]})"
    if list(states.shape) != wanted:
        return f"gives hidden states {list(states.shape)}, not one for each token {wanted}"
    if not with_rows:
        return ""
    if torch.equal(states[0, 0], states[1, 0]):
        return "reads from left to right only, so that the marker before a mention knows nothing of it"
    try:
        with torch.no_grad():
            rows = encode(model, input_ids, attention_mask, torch.tensor([[0, TOKENS // 2]] * 2))[1]
        is_whole = list(rows.shape[2:]) == [2, TOKENS] and bool(((rows.sum(-1) - 1).abs() < 0.01).all())
    except Exception:
        is_whole = False
    return "" if is_whole else "does not give the attention of a token over all tokens of its window"
