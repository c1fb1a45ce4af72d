"""The training of an adapter: steps over exchanges, the loss of answers, and a state to resume from within an epoch.

Accelerate places the model and its precision. The same seed, data and machine give the same weights; a training that
was killed resumes at the last step that was stored, and comes to the same losses. Several processes share the exchanges
of each step, and come to the losses of one but for rounding.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from harness.training.llm.collation import IGNORED, Padded, padded
from harness.training.llm.config import LlmTrainingConfig
from harness.training.llm.examples import Exchanges, TokenSequence, batches
from harness.training.trainer import Epoch, Progress, Watcher, finite

if TYPE_CHECKING:
    from accelerate import Accelerator


class AdapterTrainer:
    """One training; ``state`` and ``restore`` carry it over the end of a process."""

    def __init__(self, model: Any, config: LlmTrainingConfig, train: Exchanges, accelerator: Accelerator) -> None:
        """``model`` is a language model whose only trainable weights are the adapter's."""
        self.config = config
        self.progress = Progress()
        self._accelerator = accelerator
        self._train = train
        self._step_of_epoch = 0
        self._losses = 0.0
        self._seconds = 0.0
        self._names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.lr, weight_decay=config.weight_decay)
        self._model, self._optimizer = accelerator.prepare(model, optimizer)
        epochs = range(1, config.epochs + 1)
        self._steps = sum(len(self._groups(epoch)) for epoch in epochs)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)

    def _rate(self, step: int) -> float:
        """The share of the peak learning rate at a step: up over the warmup, then down to 0."""
        warmup = max(1, int(self.config.warmup * self._steps))
        left = (self._steps - step) / max(1, self._steps - warmup)
        if self.config.schedule == "cosine":
            left = (1 - math.cos(math.pi * min(left, 1.0))) / 2
        return min((step + 1) / warmup, left)

    def _groups(self, epoch: int) -> list[Sequence[TokenSequence]]:
        """What each step of an epoch learns from."""
        return batches(self._train.of_epoch(epoch, self.config.seed, self.config.exchanges), self.config.batch_size)

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process that writes files."""
        return bool(self._accelerator.is_main_process)

    @property
    def is_sharded(self) -> bool:
        """Whether each process holds a part of the model's weights only (FSDP): it cannot answer by itself."""
        return bool(self._accelerator.distributed_type == "FSDP")

    def agreed(self, is_due: bool) -> bool:
        """What the main process says, in all of them."""
        told: list[bool] = self.gathered([is_due])
        return told[0]

    def gathered(self, mine: Sequence[Any]) -> list[Any]:
        """What all processes have, in their order."""
        from accelerate.utils import gather_object

        return list(gather_object(list(mine)))

    def share(self, several: Sequence[Any]) -> Sequence[Any]:
        """Those that this process is to work on."""
        return several[self._accelerator.process_index :: self._accelerator.num_processes]

    def wait_for_others(self) -> None:
        """Return once all processes have come so far."""
        self._accelerator.wait_for_everyone()

    @property
    def is_over(self) -> bool:
        return len(self.progress.curve) >= self.config.epochs

    @property
    def model(self) -> Any:
        """The model with the adapter as it is now."""
        return self._accelerator.unwrap_model(self._model)

    def train_epoch(self, watcher: Watcher, finished: Callable[[], None]) -> tuple[float, float]:
        """The rest of the current epoch: its mean loss and seconds. ``finished`` is called after every step."""
        epoch = len(self.progress.curve) + 1
        started = time.perf_counter() - self._seconds
        groups = self._groups(epoch)
        self._model.train()
        while self._step_of_epoch < len(groups):
            self._losses += self._step(groups[self._step_of_epoch])
            self._step_of_epoch += 1
            self._seconds = time.perf_counter() - started
            watcher.step(epoch, self._step_of_epoch, len(groups), self._losses / self._step_of_epoch)
            finished()
        return self._losses / len(groups), self._seconds

    def end_epoch(self, line: Epoch) -> None:
        """Add the epoch to the curve."""
        self.progress.curve.append(line)
        self._step_of_epoch, self._losses, self._seconds = 0, 0.0, 0.0

    def loss_of(self, sequences: Sequence[TokenSequence], judged: Callable[[int, int], None]) -> float:
        """The mean loss of the answers' tokens, nothing learned; ``judged`` hears of each batch, and of how many."""
        self._model.eval()
        parts, found = self._parts(sequences), 0.0
        with torch.inference_mode():
            for number, (part, counts) in enumerate(parts):
                judged(number, len(parts))
                found += float(self._summed(part)) * counts
        return self._added_up(found) / sum(one.answered for one in sequences)

    def _step(self, group: Sequence[TokenSequence]) -> float:
        tokens = sum(one.answered for one in group)
        parts, found = self._parts(group), 0.0
        for number, (part, counts) in enumerate(parts, 1):
            # Gradients of several processes are averaged, in the last backward pass of a step.
            with nullcontext() if number == len(parts) else self._accelerator.no_sync(self._model):
                loss = self._summed(part) * (counts * self._accelerator.num_processes / tokens)
                self._accelerator.backward(loss)
            found += float(loss.detach()) / self._accelerator.num_processes
        total = finite(self._added_up(found), "lower -O lr, or give -O precision=fp32")
        self._accelerator.clip_grad_norm_(self._model.parameters(), self.config.clip_norm)
        self._optimizer.step()
        self._scheduler.step()
        self._optimizer.zero_grad(set_to_none=True)
        return total

    def _parts(self, group: Sequence[TokenSequence]) -> list[tuple[Sequence[TokenSequence], int]]:
        """What this process reads of a group, ``at_once`` together, each with 1, or 0 where it does not count.

        All processes have as many, because each forward and backward pass waits for those of the others. One that has
        fewer reads the shortest sequence besides.
        """
        passes = -(-len(group[:: self._accelerator.num_processes]) // self.config.at_once)
        parts = [(part, 1) for part in batches(self.share(group), self.config.at_once)]
        return [*parts, *[([min(group, key=len)], 0)] * (passes - len(parts))]

    def _added_up(self, mine: float) -> float:
        """The sum of what all processes have."""
        if self._accelerator.num_processes == 1:
            return mine
        return float(self._accelerator.reduce(torch.tensor(mine, device=self._accelerator.device), "sum"))

    def _summed(self, group: Sequence[TokenSequence]) -> torch.Tensor:
        """The losses of all tokens of the group's answers, added up."""
        rows = padded(group, self._accelerator.device)
        seen = {} if rows.is_causal else {"position_ids": rows.places, "attention_mask": self._mask(rows)}
        # Logits are made only where some row's next token is learned: a vocabulary is large.
        learned = (rows.labels[:, 1:] != IGNORED).any(dim=0).nonzero().squeeze(1)
        with self._accelerator.autocast():
            output = self._model(input_ids=rows.ids, logits_to_keep=learned, use_cache=False, **seen)
        logits = output.logits.float()
        return torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]),
            rows.labels[:, learned + 1].reshape(-1),
            ignore_index=IGNORED,
            reduction="sum",
        )

    def _mask(self, rows: Padded) -> torch.Tensor:
        """Which tokens see each other, as the model's attention takes it: added to its scores where they are plain."""
        seen = rows.seen()
        if self.model.config._attn_implementation == "sdpa":
            return seen
        dtype = self.model.dtype
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)

    def weights(self) -> dict[str, torch.Tensor]:
        """The adapter's tensors by the names of the model's parameters; where weights are sharded, put together.

        All processes call it together.
        """
        if not self.is_sharded:
            return {name: value.detach().clone() for name, value in self._trained()}
        from torch.distributed.checkpoint.state_dict import get_model_state_dict

        whole: dict[str, Any] = get_model_state_dict(self._model, options=_whole())
        return {name: whole[name] for name in self._names if name in whole}

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, in tensors, numbers and strings. All processes call it together."""
        cuda = [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []
        return {
            "progress": self.progress.as_json(),
            "step": self._step_of_epoch,
            "losses": self._losses,
            "seconds": self._seconds,
            "adapter": self.weights(),
            "optimizer": self._optimizer_state(),
            "scheduler": self._scheduler.state_dict(),
            # Of each process.
            "random": self.gathered([torch.get_rng_state()]),
            "cuda_random": self.gathered(cuda),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of a training of the same model, data and configuration, in however many processes."""
        self.progress = Progress.from_json(state["progress"])
        self._step_of_epoch, self._losses, self._seconds = state["step"], state["losses"], state["seconds"]
        self.take(state["adapter"])
        self._take_optimizer_state(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        for random in self._of_this_process(state["random"]):
            torch.set_rng_state(random)
        if torch.cuda.is_available():
            for random in self._of_this_process(state["cuda_random"]):
                torch.cuda.set_rng_state(random)

    def _of_this_process(self, states: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """The one of this process; none where the training had fewer processes."""
        place = self._accelerator.process_index
        return states[place : place + 1]

    def take(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Put the adapter's tensors, as ``weights`` gives them, into the model."""
        if self.is_sharded:
            from torch.distributed.checkpoint.state_dict import set_model_state_dict

            if missing := [name for name in self._names if name not in weights]:
                raise KeyError(missing[0])
            set_model_state_dict(self._model, dict(weights), options=_whole(strict=False))
            return
        with torch.no_grad():
            for name, value in self._trained():
                value.copy_(weights[name])

    def _optimizer_state(self) -> dict[str, Any]:
        if not self.is_sharded:
            found: dict[str, Any] = self._optimizer.state_dict()
            return found
        from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

        return get_optimizer_state_dict(self._model, self._optimizer.optimizer, options=_whole())

    def _take_optimizer_state(self, state: Mapping[str, Any]) -> None:
        if not self.is_sharded:
            self._optimizer.load_state_dict(state)
            return
        from torch.distributed.checkpoint.state_dict import set_optimizer_state_dict

        set_optimizer_state_dict(self._model, self._optimizer.optimizer, dict(state), options=_whole())

    def _trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [(name, value) for name, value in self.model.named_parameters() if value.requires_grad]


def _whole(*, strict: bool = True) -> Any:
    """How states of sharded weights are stored: put together, on the CPU, without the base model's."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions

    return StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True, strict=strict)
