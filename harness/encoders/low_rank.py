"""Weights as what training changed, in factors of low rank: a part of the size, nearly the same scores.

Fine-tuning changes a matrix in few directions (Aghajanyan et al., ACL 2021; Hu et al., ICLR 2022). Where the
pretrained matrix is at hand, the product of two thin ones, from the singular value decomposition of the difference,
is all that has to be stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LEFT, RIGHT = ".left", ".right"
"""What is added to the name [o, i] of a matrix for its factors [o, rank] and [rank, i]."""


def factored(weights: Mapping[str, Tensor], pretrained: Mapping[str, Tensor], rank: int) -> dict[str, Tensor]:
    """The weights, each matrix that there is a pretrained one of as the factors of its difference, if they are smaller.

    Of all matrices of that rank the product of the factors is the nearest to the difference.
    """
    import torch

    stored: dict[str, Tensor] = {}
    for name, value in weights.items():
        begun = pretrained.get(name)
        if begun is None or begun.shape != value.shape or value.ndim != 2 or rank * sum(value.shape) >= value.numel():
            stored[name] = value
            continue
        left, size, right = torch.linalg.svd(value.float() - begun.float(), full_matrices=False)
        root = size[:rank].sqrt()
        stored[name + LEFT], stored[name + RIGHT] = left[:, :rank] * root, root[:, None] * right[:rank]
    return stored


def whole(stored: Mapping[str, Tensor], pretrained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights that ``stored`` stands for: factors multiplied and added to the pretrained matrix of their name.

    Factors that fit no pretrained matrix, or one another, are left as they are.
    """
    weights = dict(stored)
    for key in stored:
        name = key.removesuffix(LEFT)
        if name == key or name not in pretrained or name + RIGHT not in stored:
            continue
        left, right, begun = stored[key].float(), stored[name + RIGHT].float(), pretrained[name]
        if left.ndim == right.ndim == 2 and left.shape[1] == len(right) and begun.shape == (len(left), right.shape[1]):
            del weights[key], weights[name + RIGHT]
            weights[name] = begun.float() + left @ right
    return weights
