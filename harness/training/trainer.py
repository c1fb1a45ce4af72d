"""Training: epochs over the training documents, F1 on the choosing split, the best weights kept.

Accelerate places the model, its precision and its batches; what is here is what to do with them. The same seed,
data and machine give the same weights, and a training that was killed resumes from the last epoch that was stored.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from harness.encoders.glidre import Glidre
from harness.encoders.pair_model import EncoderModel
from harness.errors import InputError
from harness.training.config import TrainingConfig
from harness.training.objectives import Objective

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel

# Batches whose documents are sorted by length together: less padding, and still a new mixture every epoch.
SORTED_BATCHES = 8


@dataclass(frozen=True)
class Epoch:
    """One line of the learning curve; ``f1`` and its parts are of the choosing split, at ``threshold``.

    ``mention_f1`` is that of an entity finder's mentions, whose ``f1`` is that of whole entities. ``held_out_loss`` is
    an adapter's on the choosing split, where no document of it was answered.
    """

    epoch: int
    loss: float
    seconds: float
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    f1_at_zero: float | None = None
    threshold: float | None = None
    mention_f1: float | None = None
    held_out_loss: float | None = None


class Read(Protocol):
    """A document as a model reads it: ``input_ids`` are its subwords."""

    @property
    def input_ids(self) -> Sized: ...


@dataclass
class Progress:
    """What training has come to: the curve so far, and which epoch was best."""

    curve: list[Epoch] = field(default_factory=list)
    best_f1: float = -1.0
    best_epoch: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Progress:
        return cls([Epoch(**line) for line in content["curve"]], content["best_f1"], content["best_epoch"])


class Watcher(Protocol):
    """Who follows a training: a progress bar, plain lines, or nobody."""

    def teaching(self, done: int, total: int) -> None: ...

    def step(self, epoch: int, done: int, total: int, loss: float) -> None: ...

    def judging(self, what: str, done: int, total: int) -> None:
        """How far an epoch, or what was kept, has been judged by other documents; ``what`` names it and its units."""
        ...

    def epoch(self, line: Epoch, is_best: bool) -> None: ...


def finite(loss: float, advice: str) -> float:
    """The loss of a step; InputError with the ``advice`` where it is no number, before any weight is spoilt by it."""
    if not math.isfinite(loss):
        raise InputError(f"the training diverged, its loss is {loss}: {advice}, and name another --out")
    return loss


class EpochBatches(Sampler[list[int]]):
    """Batches of document indices, drawn anew for every epoch from its number and the seed."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self.current = 0

    def __len__(self) -> int:
        return -(-len(self._lengths) // self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = random.Random(f"{self._seed} {self.current}")
        order = list(range(len(self._lengths)))
        rng.shuffle(order)
        span = self._batch_size * SORTED_BATCHES
        together = [sorted(order[i : i + span], key=self._lengths.__getitem__) for i in range(0, len(order), span)]
        batches = [part[i : i + self._batch_size] for part in together for i in range(0, len(part), self._batch_size)]
        rng.shuffle(batches)
        return iter(batches)


class Trainer:
    """One training; call ``run``. ``state`` and ``restore`` carry it over the end of a process."""

    def __init__(
        self,
        model: EncoderModel,
        objective: Objective,
        collate: Callable[[Sequence[Any]], Any],
        config: TrainingConfig,
        train: Sequence[Read],
        accelerator: Accelerator,
    ) -> None:
        """``collate`` makes the batches of ``train`` that ``objective`` takes."""
        self.config = config
        self.progress = Progress()
        self._accelerator = accelerator
        self._objective = objective
        self._batches = EpochBatches([len(one.input_ids) for one in train], config.batch_size, config.seed)
        # torch asks only for length and indexing, which a list has.
        loader = DataLoader(cast("Dataset[Any]", train), batch_sampler=self._batches, collate_fn=collate)
        freeze(model.encoder, word_embeddings=config.freeze_word_embeddings, layers=config.frozen_layers)
        if isinstance(model, Glidre):
            freeze(model.label_encoder, word_embeddings=config.freeze_word_embeddings, layers=0)
            if config.freeze_label_encoder:
                model.label_encoder.requires_grad_(False)
        optimizer = torch.optim.AdamW(_groups(model, config), betas=(0.9, 0.999), eps=1e-6)
        self._model, self._optimizer, self._loader = accelerator.prepare(model, optimizer, loader)
        self._steps = len(self._loader) * config.epochs
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)
        self._averaged = _averaged(accelerator.unwrap_model(self._model), config.average_decay)

    def _rate(self, step: int) -> float:
        """The share of the peak learning rate at a step: up over the warmup, then down to 0."""
        warmup = max(1, int(self.config.warmup * self._steps))
        left = (self._steps - step) / max(1, self._steps - warmup)
        if self.config.schedule == "cosine":
            left = (1 - math.cos(math.pi * min(left, 1.0))) / 2
        return min((step + 1) / warmup, left)

    def run(
        self, watcher: Watcher, keep: Callable[[EncoderModel, Epoch], None], finished: Callable[[], None]
    ) -> Progress:
        """Train until the last epoch, or until patience is at an end.

        ``keep`` is given the model whenever it is the best so far (without a choosing split: after every
        epoch); ``finished`` is called at the end of every epoch, when ``state`` can be stored.
        """
        while not self.is_over:
            started = time.perf_counter()
            epoch = len(self.progress.curve) + 1
            loss = self._train_epoch(epoch, watcher)
            line = self._judged(epoch, loss, started)
            is_best = not self._objective.can_judge or (line.f1 is not None and line.f1 > self.progress.best_f1)
            if is_best:
                self.progress.best_f1, self.progress.best_epoch = line.f1 or 0.0, epoch
                keep(self.evaluated_model, line)
            self.progress.curve.append(line)
            finished()
            watcher.epoch(line, is_best)
        return self.progress

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on, in tensors, numbers and strings."""
        return {
            "progress": self.progress.as_json(),
            "model": self._accelerator.unwrap_model(self._model).state_dict(),
            "averaged": None if self._averaged is None else self._averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of a training of the same model, data and configuration."""
        self.progress = Progress.from_json(state["progress"])
        self._accelerator.unwrap_model(self._model).load_state_dict(state["model"])
        if self._averaged is not None:
            self._averaged.load_state_dict(state["averaged"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state["cuda_random"])

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process that writes files."""
        return bool(self._accelerator.is_main_process)

    def agreed(self, is_due: bool) -> bool:
        """Whether this process is to make a state: the main one has all of it."""
        return is_due and self.is_main_process

    @property
    def is_over(self) -> bool:
        curve, patience = self.progress.curve, self.config.patience
        in_vain = [line for line in curve[self.progress.best_epoch :] if line.f1 is not None]
        return len(curve) >= self.config.epochs or (patience > 0 and len(in_vain) >= patience)

    def _train_epoch(self, epoch: int, watcher: Watcher) -> float:
        self._batches.current = epoch
        self._model.train()
        total = 0.0
        for number, batch in enumerate(self._loader, 1):
            loss = self._step(batch)
            total += loss
            watcher.step(epoch, number, len(self._loader), loss)
        return total / len(self._loader)

    def _step(self, batch: Any) -> float:
        config = self.config
        loss = self._objective.loss(self._model, batch, self._accelerator)
        found = finite(float(loss.detach()), "lower -O rest_lr and -O encoder_lr")
        self._accelerator.backward(loss)
        self._accelerator.clip_grad_norm_(self._model.parameters(), config.clip_norm)
        self._optimizer.step()
        self._scheduler.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self._averaged is not None:
            self._averaged.update_parameters(self._accelerator.unwrap_model(self._model))
        return found

    def _judged(self, epoch: int, loss: float, started: float) -> Epoch:
        """The epoch's line of the curve, with scores on the choosing split if it is to be evaluated."""
        if not (self._objective.can_judge and self._is_evaluated(epoch)):
            return Epoch(epoch, loss, time.perf_counter() - started)
        judged = self._objective.judge(self.evaluated_model, self._accelerator)
        return Epoch(epoch, loss, time.perf_counter() - started, **asdict(judged))

    def _is_evaluated(self, epoch: int) -> bool:
        since = epoch - self.config.choose_from
        return epoch == self.config.epochs or (since >= 0 and since % self.config.choose_every == 0)

    @property
    def evaluated_model(self) -> EncoderModel:
        """The model whose weights are judged and kept: the average where there is one."""
        unwrapped = self._accelerator.unwrap_model(self._model)
        return cast(EncoderModel, unwrapped if self._averaged is None else self._averaged.module)


def freeze(encoder: PreTrainedModel, *, word_embeddings: bool, layers: int) -> None:
    """Leave word embeddings as they are, or all embeddings and so many layers from below.

    Raises InputError for more layers than there are, or an encoder whose layers are not where BERT's are.
    """
    encoder.get_input_embeddings().requires_grad_(not (word_embeddings or layers))
    if not layers:
        return
    stack: Any = getattr(getattr(encoder, "encoder", None), "layer", None)
    embeddings: Any = getattr(encoder, "embeddings", None)
    if stack is None or embeddings is None or layers > len(stack):
        there = "layers that cannot be told apart" if stack is None else f"{len(stack)} layers"
        raise InputError(f"-O frozen_layers={layers}: the encoder has {there}")
    embeddings.requires_grad_(False)
    for layer in stack[:layers]:
        layer.requires_grad_(False)


def _groups(model: EncoderModel, config: TrainingConfig) -> list[dict[str, Any]]:
    """AdamW's groups: the encoder and the rest at rates of their own, biases and norms without decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = config.encoder_lr if name.startswith(("encoder.", "label_encoder.")) else config.rest_lr
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": several, "lr": rate, "weight_decay": decay} for (rate, decay), several in groups.items()]


def _averaged(model: EncoderModel, decay: float) -> torch.optim.swa_utils.AveragedModel | None:
    if not decay:
        return None
    average: Any = torch.optim.swa_utils.get_ema_multi_avg_fn
    return torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=average(decay), use_buffers=False)
