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

    def loss_of(self, sequences: Sequence[TokenSequence]) -> float:
        """The mean loss of the answers' tokens, nothing learned."""
        self._model.eval()
        with torch.inference_mode():
            parts = [self._summed(group) for group in batches(sequences, self.config.at_once)]
        return sum(float(loss) for loss in parts) / sum(one.answered for one in sequences)

    def _step(self, group: Sequence[TokenSequence]) -> float:
        tokens = sum(one.answered for one in group)
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
