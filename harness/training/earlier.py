"""Trainings that another one builds on: what they saw is not to be chosen by, or reported on."""

from __future__ import annotations

from harness.datasets.content import content_hash
from harness.datasets.splits import Split
from harness.encoders.seen import Role, Seen
from harness.errors import InputError
from harness.training.data import DataJob


def refuse_seen(earlier: Seen, split: Split, job: DataJob) -> None:
    """Raise InputError where an earlier training saw, or may have seen, what this one reports on.

    That is held out of ``--train``, or ``--test``. What it was trained on is not to be chosen by either, where that is
    held out of ``--train``; what it was chosen by may be chosen by again. A document that the file holds twice, and
    this training is trained on as well, is no reason.
    """
    train, choose = job.test or job.train, split.choose if job.dev is None else ()
    seen = {content_hash(one) for one in split.report if earlier.role(one) in (Role.TRAINED_ON, Role.CHOSEN_BY)}
    seen |= {content_hash(one) for one in choose if earlier.role(one) == Role.TRAINED_ON}
    repeated = set(map(content_hash, split.train))
    if seen - repeated:
        raise InputError(
            f"{train}: an earlier training, which this one builds on, saw {len(seen - repeated)} of the documents that "
            "would be held out: hold out the same (--choose and --report as in its training.json), or give other "
            "documents"
        )
    if split.report and not earlier.is_whole:
        raise InputError(
            f"{train}: what an earlier training saw, which this one builds on, is unknown, so that no document can be "
            "held out to report on: record it with `harness train seen`, or give --report 0"
        )
