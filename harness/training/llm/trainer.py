"""The training of an adapter: steps over exchanges, the loss of answers, and a state to resume from within an epoch.

Accelerate places the model and its precision. The same seed, data and machine give the same weights; a training that
was killed resumes at the last step that was stored, and comes to the same losses.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from harness.training.llm.config import LlmTrainingConfig
from harness.training.llm.examples import Exchange, Exchanges, batches
from harness.training.trainer import Epoch, Progress, Watcher, finite

if TYPE_CHECKING:
    from accelerate import Accelerator

IGNORED = -100


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
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.lr, weight_decay=config.weight_decay)
        self._model, self._optimizer = accelerator.prepare(model, optimizer)
        self._per_epoch = -(-train.count(config.exchanges) // config.batch_size)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)

    def _rate(self, step: int) -> float:
        """The share of the peak learning rate at a step: up over the warmup, then down to 0."""
        steps = self._per_epoch * self.config.epochs
        warmup = max(1, int(self.config.warmup * steps))
        left = (steps - step) / max(1, steps - warmup)
        if self.config.schedule == "cosine":
            left = (1 - math.cos(math.pi * min(left, 1.0))) / 2
        return min((step + 1) / warmup, left)

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process that writes files."""
        return bool(self._accelerator.is_main_process)

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
        groups = batches(self._train.of_epoch(epoch, self.config.seed, self.config.exchanges), self.config.batch_size)
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

    def loss_of(self, exchanges: Sequence[Exchange]) -> float:
        """The mean loss of the answers' tokens, nothing learned."""
        self._model.eval()
        with torch.inference_mode():
            parts = [self._summed(group) for group in batches(exchanges, self.config.at_once)]
        return sum(float(loss) for loss in parts) / sum(len(one.answer) for one in exchanges)

    def _step(self, group: Sequence[Exchange]) -> float:
        tokens = sum(len(one.answer) for one in group)
        # Of several processes, each takes its share of the group; gradients are averaged over them.
        processes, place = self._accelerator.num_processes, self._accelerator.process_index
        total = 0.0
        for part in batches(group[place::processes], self.config.at_once):
            loss = self._summed(part) * (processes / tokens)
            total += finite(float(loss.detach()), "lower -O lr, or give -O precision=fp32") / processes
            self._accelerator.backward(loss)
        self._accelerator.clip_grad_norm_(self._model.parameters(), self.config.clip_norm)
        self._optimizer.step()
        self._scheduler.step()
        self._optimizer.zero_grad(set_to_none=True)
        return total

    def _summed(self, group: Sequence[Exchange]) -> torch.Tensor:
        """The losses of all tokens of the group's answers, added up."""
        # Padded on the right: no token looks at what comes after it, so no mask is needed. Padding on the left leaves
        # rows of attention that are masked whole, of which some GPU kernels make numbers that are none.
        width = max(map(len, group))
        first = min(len(one.prompt) for one in group)
        padding = [[0] * (width - len(one)) for one in group]
        ids = torch.tensor([[*one.prompt, *one.answer, *pad] for one, pad in zip(group, padding, strict=True)])
        learned = [[IGNORED] * len(one.prompt) + [*one.answer] for one in group]
        labels = torch.tensor([[*one, *[IGNORED] * (width - len(one))][first:] for one in learned])
        ids, labels = ids.to(self._accelerator.device), labels.to(self._accelerator.device)
        with self._accelerator.autocast():
            output = self._model(
                input_ids=ids,
                logits_to_keep=width - first + 1,
                use_cache=False,
            )
        logits = output.logits[:, :-1].float()
        return torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=IGNORED, reduction="sum"
        )

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, in tensors, numbers and strings."""
        return {
            "progress": self.progress.as_json(),
            "step": self._step_of_epoch,
            "losses": self._losses,
            "seconds": self._seconds,
            "adapter": {name: value.detach().clone() for name, value in self._trained()},
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of a training of the same model, data and configuration."""
        self.progress = Progress.from_json(state["progress"])
        self._step_of_epoch, self._losses, self._seconds = state["step"], state["losses"], state["seconds"]
        with torch.no_grad():
            for name, value in self._trained():
                value.copy_(state["adapter"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state["cuda_random"])

    def _trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [(name, value) for name, value in self.model.named_parameters() if value.requires_grad]
