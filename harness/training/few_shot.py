"""F1 by the number of training documents: GLiDRE's few-shot protocol, for any encoder and for adapters of LLMs.

Armingaud and Besançon (2025) train on N = 1, 5, 10, 50, 100 and all documents, five drawn subsets each, and report mean
and deviation. Every training here takes so many batches, so that one of few documents is not cut short, and so many
passes over its documents, so that one of many is not either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.datasets.registry import load_split
from harness.datasets.splits import CHOOSE, REPORT
from harness.encoders.config import Task, with_options
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.training.config import TrainingConfig
from harness.training.fit import TrainingJob, reported_percent, train_encoder
from harness.training.llm.config import LlmTrainingConfig
from harness.training.llm.fit import AdapterJob, train_adapter

if TYPE_CHECKING:
    from harness.training.trainer import Watcher

SIZES = (1, 5, 10, 50, 100)
STEPS = 600
EPOCHS = 12
EVALUATIONS = 5


@dataclass(frozen=True)
class FewShotJob:
    """One training on ``size`` documents (None: all that are not held out), drawn by ``seed``.

    ``dev``, ``test`` and ``data_dir`` are as of a DataJob; an encoder begins with the weights in ``start``, if any.
    ``label`` is its name in tables, where that is not its task.

    It takes at least ``steps`` batches and ``epochs`` passes, and is evaluated ``EVALUATIONS`` times, or once more, on
    the choosing documents. ``options`` are those of training.
    """

    task: Task | Literal["llm"]
    """What is trained: an encoder of this task, or an adapter of the LLM that ``llm`` names."""
    train: str
    size: int | None
    seed: int
    steps: int = STEPS
    epochs: int = EPOCHS
    choose: int = CHOOSE
    report: int = REPORT
    options: Mapping[str, str] = field(default_factory=dict)
    llm: RunConfig | None = None
    """Model, prompt and candidates of an adapter."""
    dev: str | None = None
    test: str | None = None
    data_dir: Path | None = None
    start: Path | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """In tables: the task, or the prompt and the model of an adapter."""
        return f"{Path(self.llm.prompt).name} {Path(self.llm.model).name}" if self.llm else self.label or self.task

    def adapter(self, documents: int, run: RunConfig) -> AdapterJob:
        """The training of an adapter, where ``documents`` are there to train on."""
        epochs, every, batch_size = self._schedule(documents, LlmTrainingConfig())
        schedule = {"epochs": epochs, "choose_every": every, "batch_size": batch_size}
        return AdapterJob(
            run,
            self.train,
            dev=self.dev,
            test=self.test,
            data_dir=self.data_dir,
            choose=self.choose,
            report=self.report,
            few_shot=self.size,
            seed=self.seed,
            options={**{key: str(value) for key, value in schedule.items()}, **self.options},
        )

    def _schedule(self, documents: int, config: TrainingConfig | LlmTrainingConfig) -> tuple[int, int, int]:
        """Epochs, from one evaluated epoch to the next, and documents of a batch."""
        given = {key: value for key, value in self.options.items() if key == "batch_size"}
        batch_size = with_options(config, given).batch_size
        batches = -(-(self.size or documents) // batch_size)
        epochs = max(self.epochs, -(-self.steps // batches))
        return epochs, max(1, epochs // EVALUATIONS), batch_size

    def training(self, documents: int) -> TrainingJob:
        """The training, where ``documents`` are there to train on."""
        if self.task == "llm":
            raise ValueError("an adapter's training is that of adapter()")
        epochs, every, batch_size = self._schedule(documents, TrainingConfig())
        schedule = {"epochs": epochs, "choose_from": every, "choose_every": every, "batch_size": batch_size}
        return TrainingJob(
            self.task,
            self.train,
            dev=self.dev,
            test=self.test,
            data_dir=self.data_dir,
            start=self.start,
            choose=self.choose,
            report=self.report,
            few_shot=self.size,
            seed=self.seed,
            options={**{key: str(value) for key, value in schedule.items()}, **self.options},
        )


def documents_to_train_on(train: str, choose: int, report: int, data_dir: Path | None = None) -> int:
    """How many documents are left when the others are held out; InputError where there is none."""
    left = len(load_split(train, data_dir).documents) - choose - report
    if left < 1:
        raise InputError(f"{train}: {choose} documents to choose by and {report} to report on leave none to train on")
    return left


def run_few_shot(job: FewShotJob, documents: int, folder: Path, watcher: Watcher) -> dict[str, Any]:
    """Train in ``folder`` (a finished training is not repeated); one line of the table, fractions as percent."""
    if job.llm is not None:
        trained = train_adapter(job.adapter(documents, job.llm), folder, watcher)
    else:
        trained = train_encoder(job.training(documents), folder, watcher)
    reported = trained.reported or {}
    return {
        "model": job.name,
        "n": job.size or documents,
        "seed": job.seed,
        **{name: round(reported_percent(reported, job.task, name), 2) for name in ("precision", "recall", "f1")},
        "epoch": trained.best.epoch if trained.best else 0,
        "seconds": round(trained.seconds, 1),
    }
