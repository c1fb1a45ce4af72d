"""Training an adapter here and by TRL's SFTTrainer: ``python -m tests.bench.adapter_speed``.

SmolLM2-135M, the prompt `compact` on the packaged documents, the same adapter at the start, exchanges, order, optimizer
and schedule: the losses have to be equal within rounding. TRL is no dependency: without it the benchmark is skipped.
"""

from __future__ import annotations

import asyncio
import time
from importlib.util import find_spec
from itertools import islice
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.bench.report import Measurement, report

if TYPE_CHECKING:
    from harness.training.llm.config import LlmTrainingConfig
    from harness.training.llm.examples import Exchanges

DOCUMENTS, ROUNDS = 8, 2
SETTINGS = {"epochs": "1", "batch_size": "2", "precision": "fp32", "choose_documents": "0"}


async def measure() -> list[Measurement]:
    import torch
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

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
        found = exchanges_of(documents, experiment.method(), runner, tokenizer, runner.end_of_turn, config.max_length)
        model.hf_quantizer, model.is_quantized = (
            None,
            False,
        )  # transformers trains no GGUF model, not even a dequantised one
        torch.manual_seed(0)
        adapted = new_adapter(model, config)
        begin = {name: value.clone() for name, value in get_peft_model_state_dict(adapted).items()}
        ours, theirs = [], []
        for _ in range(ROUNDS):
            for train, outcomes in ((_here, ours), (_by_trl, theirs)):
                set_peft_model_state_dict(adapted, begin)
                outcomes.append(train(adapted, tokenizer, config, found))
    tokens = sum(len(one) for exchanges in found.by_document for one in exchanges)
    fastest = [min(seconds for _, seconds in outcomes) for outcomes in (ours, theirs)]
    difference = max(abs(one - other) for one, other in zip(ours[0][0], theirs[0][0], strict=True))
    note = f"{tokens / fastest[0]:.0f} here, {tokens / fastest[1]:.0f} by TRL, {tokens:,} tokens, best of {ROUNDS}"
    return [
        Measurement("greatest difference of a step's loss to TRL's", difference, at_most=0.002),
        Measurement("tokens per second as a share of TRL's", fastest[1] / fastest[0], at_least=0.95, note=note),
    ]


class Losses:
    """A watcher that keeps the loss of every step."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self._sum = 0.0

    def teaching(self, done: int, total: int) -> None: ...

    def step(self, epoch: int, done: int, total: int, loss: float) -> None:  # noqa: ARG002 - the protocol's
        self.steps.append(loss * done - self._sum)
        self._sum = loss * done

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

    exchanges = found.of_epoch(1, config.seed, 0)
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
    if not report(asyncio.run(measure())):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
