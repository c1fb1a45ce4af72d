"""Trainings on a Ray cluster: each is a job of a worker, which goes on from what the folder of a lost one holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from harness.errors import HarnessError
from harness.ray_cluster import connected, outcomes, why
from harness.runs.execute import Stopped

if TYPE_CHECKING:
    from harness.training.trainer import Epoch, Watcher

Result = TypeVar("Result")


@dataclass(frozen=True)
class NamedTraining(Generic[Result]):
    """A training in a folder; ``train`` can be pickled, and trains nothing anew that is finished there."""

    name: str
    folder: Path
    train: Callable[[Path, Watcher], Result]


class _Unwatched:
    def teaching(self, done: int, total: int) -> None:
        pass

    def step(self, epoch: int, done: int, total: int, loss: float) -> None:
        pass

    def judging(self, what: str, done: int, total: int) -> None:
        pass

    def epoch(self, line: Epoch, is_best: bool) -> None:
        pass


class _Worker:
    """An actor that trains; the trainings of one folder are one job, in which the first trains for all.

    It works in the folder that the command was typed in, which all nodes see.
    """

    def __init__(self, working_folder: Path) -> None:
        os.chdir(working_folder)

    def work(self, trainings: Sequence[tuple[int, NamedTraining[Any]]]) -> list[tuple[int, Any]]:
        return [(number, self._result(one)) for number, one in trainings]

    def _result(self, training: NamedTraining[Any]) -> Any:
        try:
            return training.train(training.folder, _Unwatched())
        except HarnessError as error:
            return Stopped(f"{training.name}: {error}")

    def close(self) -> None:
        """Nothing is held."""


def trained_on_ray(
    trainings: Sequence[NamedTraining[Result]], cluster: str, workers: int, advance: Callable[[int], None]
) -> list[Result]:
    """The results in the order of ``trainings``, whose folders all nodes see; ``advance`` hears of each that is done.

    Raises Stopped where some did not end: the same command goes on.
    """
    by_folder: dict[Hashable, list[tuple[int, NamedTraining[Result]]]] = {}
    for number, one in enumerate(trainings):
        by_folder.setdefault(one.folder, []).append((number, one))
    results: dict[int, Result] = {}
    failed: list[str] = []
    with connected(cluster, workers) as ray:
        for outcome in outcomes(ray, _Worker, (Path.cwd(),), list(by_folder.values()), workers, lambda: None):
            for number, result in outcome if isinstance(outcome, list) else [(0, outcome)]:
                if isinstance(result, Exception):
                    failed.append(why(result))
                else:
                    results[number] = result
                    advance(1)
    if failed:
        raise Stopped(f"{len(trainings) - len(results)} of {len(trainings)} trainings did not end, such as "
                      f"{failed[0]}. The same command resumes")  # fmt: skip
    return [results[number] for number in range(len(trainings))]
