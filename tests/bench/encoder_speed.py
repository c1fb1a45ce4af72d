"""Times ATLOP against its plain loops on the same weights and documents: ``python -m tests.bench.encoder_speed``.

The loops of ``tests.encoders.loops`` go over documents, entities and pairs; the module gathers them in tensors.
Both have the MiniLM encoder and the published configuration, and run alternately in processes of their own, on
Re-DocRED's dev split (its first documents) or, where it is absent, on the sample corpus. The loops are in single
precision; inference in tensors is timed in both that the processor offers, as ``-M precision`` has them.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.bench.report import Measurement, report
from tests.commands import environment
from tests.paths import SHARED_DATA

if TYPE_CHECKING:
    from harness.encoders.atlop import Atlop
    from harness.encoders.batching import Collator
    from harness.encoders.text import EncodedDocument

DOCUMENTS, BATCH, ROUNDS = 16, 4, 3
LOOPS = "loops"
TENSORS: dict[str, dict[str, float | None]] = {
    "training": {"fp32": 2.0},
    "inference": {"fp32": None, "bf16": 4.0},
}
"""The precisions that are timed, and the speed-up over the loops that each is held to.

In single precision the matrix products of the encoder are the larger part, and the same on both sides.
"""


def measure() -> Iterator[Measurement]:
    for work, bounds in TENSORS.items():
        sides: dict[str, list[dict[str, float]]] = {side: [] for side in (LOOPS, *bounds)}
        for _ in range(ROUNDS):
            for side, measured in sides.items():
                measured.append(_child(work, side))
        speed = {side: max(DOCUMENTS / one["seconds"] for one in measured) for side, measured in sides.items()}
        memory = {side: min(one["peak_mb"] for one in measured) for side, measured in sides.items()}
        for side, bound in bounds.items():
            yield Measurement(
                f"documents/s of {work}, tensors in {side} / loops",
                speed[side] / speed[LOOPS],
                at_least=bound,
                note=f"{speed[side]:.1f} / {speed[LOOPS]:.2f}",
            )
            yield Measurement(
                f"peak memory of {work}, tensors in {side} / loops",
                memory[side] / memory[LOOPS],
                at_most=1.0,
                note=f"{memory[side]:.0f} / {memory[LOOPS]:.0f} MB",
            )


def _child(work: str, side: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.encoder_speed", work, side]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


# --- the child processes ---------------------------------------------------------------


def _materials() -> tuple[Atlop, Collator, list[EncodedDocument]]:
    import itertools

    import torch

    from harness.datasets.registry import load_dataset
    from harness.encoders.backbone import load_tokenizer
    from harness.encoders.batching import Collator
    from harness.encoders.checkpoint import new_model
    from harness.encoders.config import ModelConfig
    from harness.encoders.text import DocumentEncoder
    from runners.hardware import usable_cores

    torch.set_num_threads(usable_cores())
    folder = SHARED_DATA / "redocred"
    dataset = load_dataset("redocred", "dev", folder) if folder.is_dir() else load_dataset("sample")
    config = ModelConfig(relations=tuple(relation.id for relation in dataset.schema.relations))
    torch.manual_seed(0)
    model = new_model(config)
    tokenizer = load_tokenizer(config.encoder)
    encoder = DocumentEncoder(tokenizer, config)
    documents = (document for document in dataset.documents if len(document.entities) > 1)
    encoded = [encoder.encode(document, with_labels=True) for document in itertools.islice(documents, DOCUMENTS)]
    return model, Collator(tokenizer, config.window, config.overlap, len(config.relations)), encoded


def _infer(side: str) -> float:
    import torch

    from harness.encoders.inference import Inference
    from tests.encoders.loops import loop_scores

    model, collator, documents = _materials()
    model.eval()
    inference = Inference(model, collator, torch.device("cpu"), bf16=side == "bf16")
    if side == LOOPS:
        model.encoder.set_attn_implementation("eager")

    def score(some: list[EncodedDocument]) -> None:
        if side != LOOPS:
            list(inference.scores(some))
            return
        with torch.inference_mode():
            for document in some:
                loop_scores(model, collator, document)

    score(documents[:1])
    started = time.perf_counter()
    score(documents)
    return time.perf_counter() - started


def _train(side: str) -> float:
    import torch

    from harness.training.config import TrainingConfig
    from harness.training.losses import relation_loss
    from tests.encoders.loops import loop_loss

    model, collator, documents = _materials()
    config = TrainingConfig()
    if side == LOOPS:
        model.encoder.set_attn_implementation("eager")
    model.encoder.get_input_embeddings().requires_grad_(False)
    optimizer = torch.optim.AdamW(parameter for parameter in model.parameters() if parameter.requires_grad)

    def step(some: list[EncodedDocument]) -> None:
        if side != LOOPS:
            batch = collator(some)
            loss = relation_loss(model(batch).logits, batch.labels, config)
        else:
            loss = loop_loss(model, collator, some, config)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    step(documents[:1])
    started = time.perf_counter()
    for first in range(0, len(documents), BATCH):
        step(documents[first : first + BATCH])
    return time.perf_counter() - started


def main() -> bool:
    """Measure, or be one side of a measurement; whether all bounds were kept."""
    if len(sys.argv) == 1:
        return report(measure())
    work, side = sys.argv[1:]
    seconds = (_train if work == "training" else _infer)(side)
    print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}))
    return True


if __name__ == "__main__":
    sys.exit(not main())
