"""From token states and attention rows to entities and pairs, in tensors over a whole batch.

Zhou et al. (2021), "Document-Level Relation Extraction with Adaptive Thresholding and Localized Context
Pooling", AAAI. The letters are those of ``batching.Batch``: b documents, n entities, l subwords, w windows of
t tokens, s slots, m mentions; d is the size of a state.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.encoders.batching import Batch

# Below any state or score, and finite: the logarithm of a sum over nothing but padding stays differentiable.
PADDING = -1e4
EPSILON = 1e-6


def full_precision(values: Tensor) -> Tensor:
    """Half-precision values as float32, others as they are."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def document_values(values: Tensor, batch: Batch) -> Tensor:
    """Values of window tokens [w, t, f] as values of document tokens [b, l, f], the mean where windows overlap."""
    b, length = batch.sentence.shape
    shared = values * batch.token_share[:, :, None].to(values.dtype)
    rows = shared.new_zeros(b * length + 1, values.shape[2])
    rows = rows.index_add(0, batch.token_index.flatten(), shared.flatten(0, 1))
    return rows[:-1].view(b, length, values.shape[2])


def entity_states(states: Tensor, batch: Batch) -> Tensor:
    """The logarithm of the summed exponentials of an entity's mentions: states [b, l, d] to [b, n, d]."""
    mentions = full_precision(states).flatten(0, 1)[batch.mentions]
    pooled = mentions.masked_fill(~batch.mention_mask[..., None], PADDING).logsumexp(2)
    return pooled.masked_fill(~batch.mention_mask.any(2)[..., None], 0.0)


def entity_means(states: Tensor, batch: Batch) -> Tensor:
    """The mean of an entity's mentions, 0 where it has none: states [b, l, d] to [b, n, d]."""
    mentions = full_precision(states).flatten(0, 1)[batch.mentions]
    total = mentions.masked_fill(~batch.mention_mask[..., None], 0.0).sum(2)
    return total / batch.mention_mask.sum(2).clamp(min=1)[..., None]


def entity_attention(rows: Tensor, batch: Batch) -> Tensor:
    """The mean attention of an entity's mentions: rows [w, heads, s, t] to [b, l, heads, n].

    A mention that lies in several windows is the mean over them. Special tokens are left out.
    """
    of_windows = torch.einsum("wns,whst->wthn", batch.slot_share.to(rows.dtype), rows)
    w, t, heads, n = of_windows.shape
    b, length = batch.sentence.shape
    out = of_windows.new_zeros(b * length + 1, heads * n)
    out = out.index_add(0, batch.token_index.flatten(), of_windows.reshape(w * t, heads * n))
    return out[:-1].view(b, length, heads, n)


def pair_attention(attention: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Where head and tail look together: attention [b, l, heads, n] to distributions [b, n, n, l].

    The product of the two attentions, summed over the heads; each pair's distribution sums to 1, or to less where
    ``epsilon`` counts beside the sum.
    """
    product = torch.matmul(attention.transpose(2, 3), attention)
    product = product.permute(0, 2, 3, 1)
    return product / (product.sum(-1, keepdim=True) + epsilon)


def sentence_attention(weights: Tensor, batch: Batch, sentences: int) -> Tensor:
    """The share of each sentence in the pairs' attention: weights [b, n, n, l] to [b, n, n, sentences]."""
    membership = torch.nn.functional.one_hot(batch.sentence, sentences).to(weights.dtype)
    return torch.einsum("bijl,bls->bijs", weights, membership)
