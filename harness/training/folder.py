"""The folder of a training: what was asked, the state to go on from, the curve, the best weights, the outcome."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.encoders.checkpoint import Config, save_model
from harness.encoders.seen import Seen, write_seen
from harness.encoders.weights import TRAINING, WEIGHTS, storing
from harness.environment import package_versions
from harness.errors import InputError, StorageError
from harness.json_files import json_text

if TYPE_CHECKING:
    from harness.encoders.pair_model import EncoderModel
    from harness.training.trainer import Epoch, Progress, Trainer

CURVE, STATE, LOCK = "curve.csv", "training.state", "training.lock"

LEARNED = "learned"
"""In ``training.json``, beside the question: which labels were learned, by whom, and how many have evidence."""

STORED_EVERY = 20.0
"""Seconds from one stored state to the next: an epoch over one document takes less time than storing it."""


@dataclass(frozen=True)
class Trained:
    """A finished training: its folder, the best epoch, and its scores on documents it has not seen."""

    folder: Path
    best: Epoch | None
    reported: Mapping[str, float | int | None] | None
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "best": self.best and asdict(self.best),
            "reported": self.reported,
            "seconds": round(self.seconds, 1),
        }


def finished_training(folder: Path, question: Mapping[str, Any], weights: str = WEIGHTS) -> Trained | None:
    """The outcome of this training as it was stored; None where it is still to be trained.

    Raises InputError if the folder holds another training, or what one has come to.
    """
    from harness.training.trainer import Epoch

    record = folder / TRAINING
    if not record.is_file():
        return None
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        asked, result = content.get("question"), content.get("result")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{record}: cannot be read ({error}); choose another --out") from error
    if asked != question:
        if result is None and not any((folder / name).exists() for name in (STATE, weights)):
            return None  # it came to nothing: out of memory, for one
        raise InputError(f"{folder} holds another training: choose another --out, or remove it")
    if result is None or not (folder / weights).is_file():
        return None
    try:
        best = Epoch(**result["best"]) if result["best"] else None
        return Trained(folder, best, result["reported"], result["seconds"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{record}: its result cannot be read ({error}); choose another --out") from error


class Resumable(Protocol):
    """A training whose state outlives its process."""

    progress: Progress

    @property
    def is_main_process(self) -> bool: ...

    @property
    def is_over(self) -> bool: ...

    def agreed(self, is_due: bool) -> bool: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: Mapping[str, Any]) -> None: ...


class TrainingFolder:
    """What a training writes into its folder while it runs, and what it resumes from."""

    def __init__(
        self,
        folder: Path,
        question: Mapping[str, Any],
        seen: Seen,
        trainer: Resumable,
        weights: str = WEIGHTS,
        learned: Mapping[str, Any] | None = None,
    ) -> None:
        """``weights`` names the file of the best weights; ``learned`` are the labels, as of ``labels_record``."""
        self.folder = folder
        self._weights = weights
        self._question = question
        self._seen = seen
        self._trainer = trainer
        self._learned = {} if learned is None else {LEARNED: learned}
        self._stored = time.monotonic()

    def begin(self) -> None:
        """Claim the folder, which holds no other training; InputError while another process trains there."""
        if self._trainer.is_main_process:
            self._lock()
            self._check_again()
            write_seen(self.folder, self._seen, self._question)
            self._write({"question": self._question, **self._learned})

    def _check_again(self) -> None:
        """InputError where another process has trained here since this one looked, before it had the lock."""
        if finished_training(self.folder, self._question, self._weights) is not None:
            raise InputError(f"{self.folder}: another process has just trained this: type the command again")

    def _lock(self) -> None:
        """Keep other processes from training here; the lock dies with the process."""
        from filelock import FileLock, Timeout

        with storing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            # One for each folder in this process: a training that ended in an error may still hold it.
            self._claim = FileLock(self.folder / LOCK, is_singleton=True)
            try:
                self._claim.acquire(timeout=0)
            except Timeout:
                raise InputError(
                    f"{self.folder}: another process trains there; wait for it, or choose another --out"
                ) from None

    def resume(self) -> None:
        """Restore the last state that was stored, if there is one."""
        import pickle

        import torch

        path = self.folder / STATE
        if not path.is_file():
            return
        try:
            self._trainer.restore(torch.load(path, map_location="cpu", weights_only=True))
        except (RuntimeError, ValueError, KeyError, TypeError, EOFError, OSError, pickle.UnpicklingError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise InputError(f"{path}: cannot go on from it ({reason}); remove it to start again") from error

    def finished(self) -> None:
        """Store the state of the training and its curve so far, unless that was done a moment ago."""
        import torch

        is_due = self._trainer.is_over or time.monotonic() - self._stored >= STORED_EVERY
        if not self._trainer.agreed(is_due):
            return
        state = self._trainer.state()
        if not self._trainer.is_main_process:
            return
        partial = self.folder / f"{STATE}.partial"
        try:
            torch.save(state, partial)
            partial.replace(self.folder / STATE)
            write_curve(self.folder / CURVE, self._trainer.progress.curve)
            self._stored = time.monotonic()
        except (OSError, RuntimeError) as error:
            # torch's own error, a RuntimeError, tells of positions in a file that did not grow.
            reason = error.strerror if isinstance(error, OSError) else "no space is left"
            raise StorageError(f"{self.folder}: cannot be written ({reason}); free space, then run again") from error

    def end(self, trained: Trained) -> None:
        """Record the outcome; the state, many times as large as the weights, has served."""
        if not self._trainer.is_main_process:
            return
        self._write(
            {
                "question": self._question,
                **self._learned,
                "result": trained.as_json(),
                "curve": [asdict(line) for line in self._trainer.progress.curve],
                "versions": package_versions(),
            }
        )
        with storing(self.folder):
            (self.folder / STATE).unlink(missing_ok=True)
            self._claim.release(force=True)
            (self.folder / LOCK).unlink(missing_ok=True)

    def _write(self, content: Mapping[str, Any]) -> None:
        with storing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = self.folder / f"{TRAINING}.partial"
            partial.write_text(json_text(content, indent=2) + "\n", encoding="utf-8")
            partial.replace(self.folder / TRAINING)


class TrainingFiles(TrainingFolder):
    """The folder of an encoder's training, with its best weights."""

    def __init__(
        self,
        folder: Path,
        question: Mapping[str, Any],
        seen: Seen,
        trainer: Trainer,
        config: Config,
        changed: frozenset[str],
        learned: Mapping[str, Any] | None = None,
    ) -> None:
        """``changed`` names the weights that another training had changed before this one."""
        super().__init__(folder, question, seen, trainer, learned=learned)
        self._config = config
        self._changed = changed

    def keep(self, model: EncoderModel, line: Epoch) -> None:
        """Store the best weights so far."""
        if self._trainer.is_main_process:
            config = self._config
            if line.threshold is not None:
                config = config.model_copy(update={"threshold": line.threshold})
            frozen = frozenset(name for name, value in model.named_parameters() if not value.requires_grad)
            save_model(self.folder, config, model.state_dict(), frozen - self._changed)


def write_curve(path: Path, curve: Sequence[Epoch]) -> None:
    """Losses and scores by epoch as CSV."""
    if not curve:
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [one.name for one in fields(curve[0])])
        writer.writeheader()
        writer.writerows(asdict(line) for line in curve)
