"""One forward pass of an encoder that also gives rows of the last layer's attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

ATTENTION_NAME = "sdpa_with_rows"


@dataclass
class AttentionRows:
    """Which rows of the last layer's attention are wanted, and, after the forward pass, what they are.

    ``positions`` [windows, slots] are the queries' positions in their windows; ``layers`` are still to come, the
    present one included; ``weights`` [windows, heads, slots, tokens] are the probabilities over the keys, without
    dropout.
    """

    positions: Tensor
    layers: int
    weights: Tensor | None = None


def use_row_attention(model: PreTrainedModel) -> None:
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
    # Layers are counted, since not all of them know their number (DistilBERT) or have one of their own (ALBERT).
    if rows is not None and rows.layers == 1:
        index = rows.positions[:, None, :, None].expand(-1, query.shape[1], -1, query.shape[3])
        scale = options.get("scaling") or query.shape[3] ** -0.5
        logits = (query.gather(2, index) * scale) @ key.transpose(2, 3)
        if attention_mask is not None:
            # What a token may look at differs between the tokens of a window where attention is local (ModernBERT).
            mask = attention_mask.expand(-1, -1, query.shape[2], -1)
            mask = mask.gather(2, rows.positions[:, None, :, None].expand(-1, mask.shape[1], -1, mask.shape[3]))
            logits = logits.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else logits + mask
        rows.weights = full_precision(logits).softmax(-1)
    if rows is not None:
        rows.layers -= 1
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
        rows = AttentionRows(positions, model.config.num_hidden_layers)
        output = model(input_ids=input_ids, attention_mask=attention_mask, attention_rows=rows)
        assert rows.weights is not None, "the last layer was not reached"
        return output.last_hidden_state, rows.weights
    output = model(input_ids=input_ids, attention_mask=attention_mask, output_attentions=True)
    attention = output.attentions[-1]
    index = positions[:, None, :, None].expand(-1, attention.shape[1], -1, attention.shape[3])
    return output.last_hidden_state, attention.gather(2, index)
