"""Mentions joined to entities by average-link clustering of their pairs' probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def merges(probabilities: np.ndarray) -> list[tuple[float, int, int]]:
    """All joins of average-link clustering over the symmetric matrix [m, m], each with the mean probability at it.

    The mean is over all pairs of the two clusters. A cluster has the number of its first mention; the second cluster
    of a join becomes part of the first. The means never rise from one join to the next.
    """
    import numpy as np

    mean = probabilities.astype(np.float64)
    np.fill_diagonal(mean, -np.inf)
    size = np.ones(len(mean))
    found = []
    for _ in range(len(mean) - 1):
        one, other = sorted(divmod(int(mean.argmax()), len(mean)))
        found.append((float(mean[one, other]), one, other))
        joined = (size[one] * mean[one] + size[other] * mean[other]) / (size[one] + size[other])
        mean[one], mean[:, one] = joined, joined
        mean[one, one] = -np.inf
        mean[other], mean[:, other] = -np.inf, -np.inf
        size[one] += size[other]
    return found


def clusters(joins: Sequence[tuple[float, int, int]], mentions: int, threshold: float) -> list[list[int]]:
    """The mentions of each cluster, when all joins are made whose mean probability reaches the threshold."""
    members: dict[int, list[int]] = {number: [number] for number in range(mentions)}
    for probability, one, other in joins:
        if probability < threshold:
            break
        members[one].extend(members.pop(other))
    return [sorted(cluster) for cluster in members.values()]
