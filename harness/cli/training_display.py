"""Watching a training: a progress bar and a line an epoch, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from harness.cli.terminal import console

if TYPE_CHECKING:
    from rich.progress import Progress

    from harness.cli.options import Display
    from harness.training.on_ray import NamedTraining
    from harness.training.trainer import Epoch

Result = TypeVar("Result")

LINE_EVERY_S = 60.0
"""Seconds from one line about a running epoch to the next, where there is no bar."""


class TrainingDisplay:
    """A line an epoch, and on a terminal a bar over its steps and a teacher's documents."""

    def __init__(self, name: str, progress: Progress | None, is_quiet: bool) -> None:
        self._name = name
        self._progress = progress
        self._is_quiet = is_quiet
        self._told = time.monotonic()
        self._task = None if progress is None else progress.add_task(name, total=None, of="")

    def teaching(self, done: int, total: int) -> None:
        self._show("teacher", done, total, "documents")
        if self._progress is None and not self._is_quiet and done in (0, total):
            print(f"{self._name}: the teacher has scored {done} of {total} documents", file=sys.stderr, flush=True)

    def step(self, epoch: int, done: int, total: int, loss: float) -> None:
        self._show(f"epoch {epoch}", done, total, f"batches, loss {loss:.3f}")
        if self._progress is None and not self._is_quiet and time.monotonic() - self._told >= LINE_EVERY_S:
            self._told = time.monotonic()
            print(
                f"{self._name}, epoch {epoch}: {done} of {total} batches, loss {loss:.4f}", file=sys.stderr, flush=True
            )

    def judging(self, what: str, done: int, total: int) -> None:
        self._show(what, done, total, "")
        if self._progress is None and not self._is_quiet and time.monotonic() - self._told >= LINE_EVERY_S:
            self._told = time.monotonic()
            print(f"{self._name}, {what}: {done} of {total}", file=sys.stderr, flush=True)

    def epoch(self, line: Epoch, is_best: bool) -> None:
        if self._is_quiet:
            return
        # What the epoch is chosen by stands here: the loss of documents held out, or F1.
        held_out = "" if line.held_out_loss is None else f", held-out loss {line.held_out_loss:.4f}"
        text = f"{self._name}, epoch {line.epoch}: loss {line.loss:.4f}{held_out}, {line.seconds:.0f} s"
        if line.f1 is not None and line.precision is not None and line.recall is not None:
            text += f", P {100 * line.precision:.2f} R {100 * line.recall:.2f} F1 {100 * line.f1:.2f}"
        text += " (best)" if is_best else ""
        if self._progress is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self._progress.console.print(text)

    def _show(self, part: str, done: int, total: int, of: str) -> None:
        if self._progress is not None and self._task is not None:
            description = f"{self._name}, {part}"
            self._progress.update(self._task, completed=done, total=total, description=description, of=of)


def each_trained(
    trainings: Sequence[NamedTraining[Result]], kind: Display, cluster: str | None, workers: int
) -> Iterator[Result]:
    """What each training comes to, in their order: here, one after the other, or on a Ray cluster."""
    if cluster is None:
        for one in trainings:
            with training_display(kind, one.name) as watcher:
                result = one.train(one.folder, watcher)
            yield result
        return
    from harness.cli.transfers import counting_progress
    from harness.training.on_ray import trained_on_ray

    with counting_progress("trainings", len(trainings), kind) as advance:
        results = trained_on_ray(trainings, cluster, workers, advance)
    yield from results


@contextmanager
def training_display(kind: Display, name: str) -> Iterator[TrainingDisplay]:
    """A display for one training."""
    if kind != "rich":
        yield TrainingDisplay(name, None, kind == "none")
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[of]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True)) as progress:
        yield TrainingDisplay(name, progress, False)
