"""Sequences of tokens as the tensors of one forward pass: padded, with what is learned and which token sees which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harness.training.llm.examples import TokenSequence

IGNORED = -100
SHARED = 0


@dataclass(frozen=True)
class Padded:
    """Sequences of tokens, each tensor of shape (sequences, tokens).

    - ``labels``: the tokens of answers, IGNORED elsewhere.
    - ``places``: the position of every token behind the shared tokens of its sequence.
    - ``parts``: SHARED for shared tokens, and the number of the exchange for others.
    """

    ids: torch.Tensor
    labels: torch.Tensor
    places: torch.Tensor
    parts: torch.Tensor

    @property
    def is_causal(self) -> bool:
        """Whether every token sees all those before it: there is one exchange a sequence, and padding."""
        return not bool((self.parts > 1).any())

    def seen(self) -> torch.Tensor:
        """Whether a token (third dimension) sees another one (fourth): (sequences, 1, tokens, tokens)."""
        parts = self.parts[:, None, :]
        same = (parts == SHARED) | (parts == self.parts[:, :, None])
        return same.tril()[:, None]


def padded(group: Sequence[TokenSequence], device: torch.device) -> Padded:
    """The sequences, padded on the right to the longest.

    No token looks at what comes after it, so padding needs no mask. Padding on the left leaves rows of attention that
    are masked whole, of which some GPU kernels make numbers that are none.
    """
    width = max(map(len, group))
    ids = torch.zeros(len(group), width, dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    places, parts = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, sequence in enumerate(group):
        end = len(sequence.shared)
        ids[row, :end] = torch.tensor(sequence.shared, dtype=torch.long)
        places[row, :end] = torch.arange(end)
        for number, rest in enumerate(sequence.rests, 1):
            start, end = end, end + len(rest)
            ids[row, start:end] = torch.tensor((*rest.prompt, *rest.answer))
            labels[row, end - len(rest.answer) : end] = torch.tensor(rest.answer)
            places[row, start:end] = len(sequence.shared) + torch.arange(len(rest))
            parts[row, start:end] = number
    return Padded(ids.to(device), labels.to(device), places.to(device), parts.to(device))
