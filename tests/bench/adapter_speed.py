"""Training an adapter here and by TRL's SFTTrainer: ``python -m tests.bench.adapter_speed``.

SmolLM2-135M, the prompt `compact` on the packaged documents, the same adapter at the start, exchanges, order, optimizer
and schedule: the losses have to be equal within rounding. TRL is no dependency: without it the benchmark is skipped.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from tests.bench.report import Measurement, report

if TYPE_CHECKING:
    from harness.training.llm.config import LlmTrainingConfig
    from harness.training.llm.examples import Exchanges

DOCUMENTS, ROUNDS = 8, 2
SETTINGS = {"epochs": "1", "batch_size": "2", "precision": "fp32", "choose_documents": "0"}
HERE, TRL = "here", "trl"


class Outcome(NamedTuple):
    """The losses of all steps, the seconds and tokens of the epoch, and how far memory (MB) rose over the model's."""

    losses: list[float]
    seconds: float
    tokens: int
    megabytes: float


def measure() -> Iterator[Measurement]:
    # Each training has a process of its own, as memory that one has freed is not given back to the system.
    ours, theirs = ([], [])  # type: tuple[list[Outcome], list[Outcome]]
    for _ in range(ROUNDS):
        for name, outcomes in ((HERE, ours), (TRL, theirs)):
            command = [sys.executable, "-m", "tests.bench.adapter_speed", name]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            outcomes.append(Outcome(*json.loads(said.splitlines()[-1])))
    tokens, fastest = ours[0].tokens, [min(one.seconds for one in outcomes) for outcomes in (ours, theirs)]
    difference = max(abs(one - other) for one, other in zip(ours[0].losses, theirs[0].losses, strict=True))
    yield Measurement("greatest difference of a step's loss to TRL's", difference, at_most=0.002)
    note = f"{tokens / fastest[0]:.0f} here, {tokens / fastest[1]:.0f} by TRL, {tokens:,} tokens, best of {ROUNDS}"
    yield Measurement("tokens per second as a share of TRL's", fastest[1] / fastest[0], at_least=0.95, note=note)
    memory = [min(one.megabytes for one in outcomes) for outcomes in (ours, theirs)]
    note = f"{memory[0]:.0f} MB here, {memory[1]:.0f} MB by TRL, beyond the loaded model"
    yield Measurement("memory of the training as a share of TRL's", memory[0] / memory[1], note=note)


async def train(by: str) -> Outcome:
    import torch

    from harness.datasets.registry import load_dataset
    from harness.runs.config import RunConfig
    from harness.runs.plan import prepare
    from harness.training.llm.adapter import new_adapter
    from harness.training.llm.examples import exchanges_of
    from harness.training.llm.fit import AdapterJob

    run = RunConfig("transformers/smollm2-135m", "compact", "sample", max_triplets=100)
    config = AdapterJob(run, "sample", options=SETTINGS).config()
    experiment = prepare(run)
    runner: Any = experiment.runner
    async with runner:
        model, tokenizer = runner.loaded
        documents = list(islice(load_dataset("sample").documents, DOCUMENTS))
        context = model.config.max_position_embeddings
        found = exchanges_of(documents, experiment.method(), runner, tokenizer, runner.end_of_turn, config, context)
        # transformers trains no GGUF model, not even a dequantised one.
        model.hf_quantizer, model.is_quantized = None, False
        torch.manual_seed(0)
        adapted = new_adapter(model, config)
        memory = Memory()
        memory.start()
        losses, seconds = {HERE: _here, TRL: _by_trl}[by](adapted, tokenizer, config, found)
        memory.over.set()
    tokens = sum(len(one) for exchanges in found.by_document for one in exchanges)
    return Outcome(losses, seconds, tokens, (memory.most - memory.before) / 1e6)


class Memory(threading.Thread):
    """Looks at this process's resident memory, in bytes, 50 times a second; its peak may lie in loading the model."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self._process = psutil.Process()
        self.before = self.most = self._process.memory_info().rss

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.most = max(self.most, self._process.memory_info().rss)


class Losses:
    """A watcher that keeps the loss of every step."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self._sum = 0.0

    def teaching(self, done: int, total: int) -> None: ...

    def step(self, epoch: int, done: int, total: int, loss: float) -> None:  # noqa: ARG002 - the protocol's
        self.steps.append(loss * done - self._sum)
        self._sum = loss * done

    def judging(self, what: str, done: int, total: int) -> None: ...

    def epoch(self, line: Any, is_best: bool) -> None: ...


def _here(model: Any, _tokenizer: Any, config: LlmTrainingConfig, found: Exchanges) -> tuple[list[float], float]:
    from harness.training.fit import begun
    from harness.training.llm.trainer import AdapterTrainer

    losses = Losses()
    _, seconds = AdapterTrainer(model, config, found, begun(config)).train_epoch(losses, lambda: None)
    return losses.steps, seconds


def _by_trl(model: Any, tokenizer: Any, config: LlmTrainingConfig, found: Exchanges) -> tuple[list[float], float]:
    import torch
    from accelerate import Accelerator
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from harness.training.llm.trainer import AdapterTrainer

    class InOrder(SFTTrainer):  # type: ignore[misc] # TRL is not typed here
        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    class Watch(TrainerCallback):
        def __init__(self) -> None:
            self.losses: list[float] = []
            self.begun = self.ended = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.begun = self.begun or time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ended = time.perf_counter()

        def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
            self.losses += [logs["loss"]] if "loss" in logs else []

    exchanges = [sequence.rests[0] for sequence in found.of_epoch(1, config.seed, 0)]
    data = Dataset.from_list(
        [
            {
                "input_ids": [*one.prompt, *one.answer],
                "completion_mask": [0] * len(one.prompt) + [1] * len(one.answer),
            }
            for one in exchanges
        ]
    )
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.lr, weight_decay=config.weight_decay)
    rate = AdapterTrainer(model, config, found, Accelerator(cpu=True))._rate
    watch = Watch()
    with TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            num_train_epochs=config.epochs,
            per_device_train_batch_size=config.at_once,
            gradient_accumulation_steps=config.batch_size // config.at_once,
            max_grad_norm=config.clip_norm,
            max_length=None,
            completion_only_loss=True,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=not torch.cuda.is_available(),
            logging_steps=1,
            disable_tqdm=True,
            save_strategy="no",
            report_to="none",
        )
        trainer = InOrder(
            model,
            args=arguments,
            train_dataset=data,
            processing_class=tokenizer,
            callbacks=[watch],
            optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)),
        )
        trainer.train()
    return watch.losses, watch.ended - watch.begun


def main() -> None:
    missing = [package for package in ("trl", "datasets", "peft") if find_spec(package) is None]
    if missing:
        print(f"skipped: {missing[0]} is not installed (pip install trl, in an environment of its own)")
        return
    if sys.argv[1:] in ([HERE], [TRL]):
        print(json.dumps(asyncio.run(train(sys.argv[1]))))
    elif not report(measure()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
