"""A linear chain over the tags of a sentence: its likelihood, and its best sequence of valid tags.

Lafferty et al., "Conditional Random Fields", ICML 2001. Letters: s sentences of up to k words, t tags.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

INVALID = -1e4


class Chain(nn.Module):
    """Scores sequences of tags; those that no mentions say are invalid."""

    def __init__(self, types: int) -> None:
        super().__init__()
        tags = 4 * types + 1
        self.transition = nn.Parameter(torch.zeros(tags, tags))
        self.begin = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))
        allowed, begins, ends = valid_tags(types)
        for name, value in (("allowed", allowed), ("begins", begins), ("ends", ends)):
            self.register_buffer(name, value, persistent=False)

    def loss(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """The mean negative log-likelihood of the sentences' tags: emissions [s, k, t], mask and tags [s, k]."""
        transition, begin, end = self.scores()
        score = begin[tags[:, 0]] + emissions[:, 0].gather(1, tags[:, :1])[:, 0]
        steps = emissions.gather(2, tags[:, :, None])[:, :, 0]
        moves = transition[tags[:, :-1], tags[:, 1:]] + steps[:, 1:]
        last = tags.gather(1, mask.sum(1, keepdim=True) - 1)[:, 0]
        score = score + (moves * mask[:, 1:]).sum(1) + end[last]
        total = begin + emissions[:, 0]
        for step in range(1, emissions.shape[1]):
            following = torch.logsumexp(total[:, :, None] + transition, 1) + emissions[:, step]
            total = torch.where(mask[:, step, None], following, total)
        return (torch.logsumexp(total + end, 1) - score).mean()

    def scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """How well a tag follows another one [t, t], is a sentence's first [t] and its last [t]; invalid ones low."""
        return (
            self.transition.masked_fill(~self.get_buffer("allowed"), INVALID),
            self.begin.masked_fill(~self.get_buffer("begins"), INVALID),
            self.end.masked_fill(~self.get_buffer("ends"), INVALID),
        )


def best_tags(emissions: Tensor, mask: Tensor, transition: Tensor, begin: Tensor, end: Tensor) -> list[list[int]]:
    """The best valid tags of each sentence; the scores of moves between them are of ``Chain.scores``."""
    total = begin + emissions[:, 0]
    pointers = []
    for step in range(1, emissions.shape[1]):
        following, pointer = (total[:, :, None] + transition).max(1)
        total = torch.where(mask[:, step, None], following + emissions[:, step], total)
        pointers.append(pointer)
    tags = (total + end).argmax(1).tolist()
    came_from = torch.stack(pointers).tolist() if pointers else []
    found = []
    for sentence, (tag, length) in enumerate(zip(tags, mask.sum(1).tolist(), strict=True)):
        path = [tag]
        for step in range(length - 2, -1, -1):
            path.append(came_from[step][sentence][path[-1]])
        found.append(path[::-1])
    return found


def valid_tags(types: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which tag may follow which [t, t], which may be a sentence's first [t], and which its last [t]."""
    tags = 4 * types + 1
    kind = (torch.arange(tags) - 1).div(4, rounding_mode="floor")
    role = (torch.arange(tags) - 1) % 4
    is_open = (torch.arange(tags) > 0) & (role < 2)
    is_inside = (torch.arange(tags) > 0) & ((role == 1) | (role == 2))
    allowed = torch.where(is_open[:, None], is_inside & (kind[:, None] == kind), ~is_inside)
    return allowed, ~is_inside, ~is_open
