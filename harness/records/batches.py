"""``batches.json`` of a run folder: the batches that were handed in, so that they are found again days later."""

from __future__ import annotations

from harness.records.base import Count, StoredModel


class StoredBatch(StoredModel):
    """A file of requests, and the batch that answers it."""

    mark: str
    """By which the provider knows it, too."""
    requests: Count
    """How many requests it has."""
    id: str = ""
    """The provider's; empty until it was handed in."""
    is_over: bool = False
    """Whether its answers were fetched, or there are none."""
    problem: str = ""
    """Why it was refused, or ended before its time."""
    answers: list[str] = []
    """The names of the files of answers beside this one."""


class StoredBatches(StoredModel):
    """All batches of a run, in the order in which they were handed in."""

    most_requests: Count
    """The most requests of a file; fewer after a provider had too many waiting."""
    batches: list[StoredBatch] = []
    """The batches."""
