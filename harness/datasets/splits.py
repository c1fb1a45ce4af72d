"""Which documents train, choose and report, where one labelled file has to serve for all three."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import InputError
from harness.types import Document

Part = Literal["train", "choose", "report"]

SPLIT_SEED = 2022
"""Fixes the split for good: figures on the reporting documents are comparable between trainings."""
CHOOSE, REPORT = 50, 50
"""Documents to choose by and to report on, unless a training says otherwise."""


@dataclass(frozen=True)
class Split:
    """Documents that never overlap: to train on, to choose epoch and threshold by, and to report on."""

    train: Sequence[Document]
    choose: Sequence[Document]
    report: Sequence[Document]

    def part(self, name: Part) -> Sequence[Document]:
        """The documents of one part."""
        parts: dict[Part, Sequence[Document]] = {"train": self.train, "choose": self.choose, "report": self.report}
        return parts[name]


def split_documents(documents: Sequence[Document], choose: int = CHOOSE, report: int = REPORT) -> Split:
    """The documents shuffled by ``SPLIT_SEED``: all but the last ``choose + report`` train.

    Raises InputError if nothing would be left to train on.
    """
    train = len(documents) - choose - report
    if train < 1:
        raise InputError(
            f"{len(documents)} documents cannot spare {choose} to choose by and {report} to report on: give fewer "
            "(--choose, --report)"
        )
    order = list(documents)
    random.Random(SPLIT_SEED).shuffle(order)
    return Split(order[:train], order[train : train + choose], order[train + choose :])


def few_shot(documents: Sequence[Document], count: int, seed: int) -> list[Document]:
    """``count`` of the documents, another subset for each seed; InputError if there are fewer."""
    if not 1 <= count <= len(documents):
        raise InputError(f"--few-shot {count}: choose from 1 to {len(documents)}, the documents there are to train on")
    return random.Random(f"few-shot {seed}").sample(list(documents), count)
