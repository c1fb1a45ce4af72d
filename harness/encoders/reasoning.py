"""Blocks in which the pairs of a document inform each other.

The pairs h != t form a matrix; what holds of (h, k) and (k, t) says much of (h, t), as in a city that lies in a
region that lies in a country. ``Triangle`` combines such pairs multiplicatively, after the triangle update of
AlphaFold 2 (Jumper et al., Nature 2021); ``Axial`` lets a pair attend to its row and column, as KD-DocRE does
(Tan et al., Findings of ACL 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.encoders.batching import Batch

ATTENTION_HEADS = 4


@dataclass(frozen=True)
class PairMatrix:
    """Moves values between the p pairs of a batch and its padded matrices [b, n, n]."""

    cell: Tensor
    mirrored: Tensor
    documents: int
    entities: int

    @classmethod
    def of(cls, batch: Batch) -> PairMatrix:
        b, n = batch.entity_mask.shape
        cell = (batch.document * n + batch.head) * n + batch.tail
        pair_at = cell.new_zeros(b * n * n).index_copy(0, cell, torch.arange(len(cell), device=cell.device))
        return cls(cell, pair_at[(batch.document * n + batch.tail) * n + batch.head], b, n)

    def spread(self, pairs: Tensor) -> Tensor:
        """[p, f] to [b, n, n, f], zero where there is no pair."""
        out = pairs.new_zeros(self.documents * self.entities**2, pairs.shape[1])
        return out.index_copy(0, self.cell, pairs).view(self.documents, self.entities, self.entities, -1)

    def collect(self, matrix: Tensor) -> Tensor:
        """[b, n, n, f] to [p, f]."""
        return matrix.flatten(0, 2)[self.cell]


class Transition(nn.Module):
    """A perceptron on each pair, on top of what the pair is."""

    def __init__(self, pair_size: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(pair_size),
            nn.Linear(pair_size, 2 * pair_size),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * pair_size, pair_size),
            nn.Dropout(dropout),
        )

    def forward(self, pairs: Tensor) -> Tensor:
        updated: Tensor = pairs + self.layers(pairs)
        return updated


class Triangle(nn.Module):
    """Pairs [p, c] updated by the pairs they form triangles with, and by their mirror images (t, h).

    Three kinds of triangle over a third entity k: (h, k) with (k, t), (k, h) with (k, t), (h, k) with (t, k);
    ``inner_size`` channels each.
    """

    def __init__(self, pair_size: int, inner_size: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(pair_size)
        self.edges = nn.Linear(pair_size, 6 * inner_size)
        self.gates = nn.Linear(pair_size, 6 * inner_size)
        self.combined_norm = nn.LayerNorm(3 * inner_size)
        self.combined = nn.Linear(3 * inner_size, pair_size)
        self.mirrored = nn.Linear(pair_size, pair_size)
        self.dropout = nn.Dropout(dropout)
        self.transition = Transition(pair_size, dropout)

    def forward(self, pairs: Tensor, matrix: PairMatrix) -> Tensor:
        normed = self.norm(pairs)
        edges = matrix.spread(torch.sigmoid(self.gates(normed)) * self.edges(normed)).permute(0, 3, 1, 2)
        a, b, c, d, e, f = edges.contiguous().chunk(6, dim=1)
        triangles = torch.cat([a @ b, c.transpose(2, 3) @ d, e @ f.transpose(2, 3)], dim=1)
        update = self.combined(self.combined_norm(matrix.collect(triangles.permute(0, 2, 3, 1))))
        updated: Tensor = self.transition(pairs + self.dropout(update + self.mirrored(normed)[matrix.mirrored]))
        return updated


class Axial(nn.Module):
    """Pairs [p, c] updated by attention over the pairs of the same head and over those of the same tail."""

    def __init__(self, pair_size: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(pair_size)
        self.of_head = nn.Linear(pair_size, 3 * pair_size)
        self.of_tail = nn.Linear(pair_size, 3 * pair_size)
        self.combined = nn.Linear(2 * pair_size, pair_size)
        self.dropout = nn.Dropout(dropout)
        self.transition = Transition(pair_size, dropout)

    def forward(self, pairs: Tensor, matrix: PairMatrix) -> Tensor:
        normed = self.norm(pairs)
        is_pair = matrix.spread(torch.ones_like(pairs[:, :1]))[..., 0] > 0
        rows = _attend(matrix.spread(self.of_head(normed)), is_pair)
        columns = _attend(matrix.spread(self.of_tail(normed)).transpose(1, 2), is_pair.transpose(1, 2))
        update = self.combined(matrix.collect(torch.cat([rows, columns.transpose(1, 2)], dim=-1)))
        updated: Tensor = self.transition(pairs + self.dropout(update))
        return updated


def _attend(cells: Tensor, is_pair: Tensor) -> Tensor:
    """Attention within each row: queries, keys and values [b, n, n, 3c] to [b, n, n, c]."""
    b, n, _, width = cells.shape
    query, key, value = cells.view(b, n, n, 3, ATTENTION_HEADS, width // 3 // ATTENTION_HEADS).permute(3, 0, 1, 4, 2, 5)
    # Rows of padding have nothing to attend to: a finite mask gives them a mean that nobody collects.
    mask = torch.where(is_pair, 0.0, -1e4).to(query.dtype)[:, :, None, None, :]
    attended = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attended.transpose(2, 3).reshape(b, n, n, width // 3)
