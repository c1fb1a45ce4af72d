"""What the tests of trainings share: options that make one small, and a watcher that remembers."""

from __future__ import annotations

from dataclasses import replace

from harness.training.trainer import Epoch

OPTIONS = {
    "window": "64",
    "overlap": "8",
    "projection_size": "16",
    "block_size": "4",
    "pair_size": "8",
    "reasoning": "triangle",
    "reasoning_layers": "1",
    "reasoning_size": "4",
    "distances": "true",
    "epochs": "4",
    "encoder_lr": "0.003",
    "rest_lr": "0.003",
    "evidence_weight": "0.1",
    "average_decay": "0.5",
    "masked_subwords": "0.2",
    "swapped_entities": "0.2",
}


class Killed(Exception):
    pass


class Recorder:
    """A watcher that remembers, and can end the process's work in the middle of an epoch."""

    def __init__(self, killed_in: int | None = None) -> None:
        self.lines: list[Epoch] = []
        self.losses: list[float] = []
        self.taught: list[tuple[int, int]] = []
        self.judged: list[tuple[str, int, int]] = []
        self._killed_in = killed_in

    def teaching(self, done: int, total: int) -> None:
        self.taught.append((done, total))

    def judging(self, what: str, done: int, total: int) -> None:
        self.judged.append((what, done, total))

    def step(self, epoch: int, done: int, total: int, loss: float) -> None:
        self.losses.append(loss)
        if epoch == self._killed_in and done == total - 1:
            raise Killed

    def epoch(self, line: Epoch, is_best: bool) -> None:  # noqa: ARG002 - the protocol's
        self.lines.append(replace(line, seconds=0.0))
