"""Peak memory of GLiDRE on documents of 42 entities: ``python -m tests.bench.glidre_memory``.

Entities are computed once and pairs gathered from them, so memory grows with mentions and with pairs, not with entities
times mentions. MiniLM encoders, 97 labels, batches of four documents; training and scoring in processes of their own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator

from tests.bench.report import Measurement, report
from tests.commands import environment
from tests.documents import document

ENTITIES, MENTIONS, BATCH = 42, 3, 4
BOUND_MB = 2000.0


def measure() -> Iterator[Measurement]:
    for work in ("scoring", "training"):
        command = [sys.executable, "-m", "tests.bench.glidre_memory", work]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
        peak = json.loads(done.stdout.splitlines()[-1])["peak_mb"]
        name = f"MB at most in {work} of GLiDRE, {BATCH} documents of {ENTITIES} entities at once"
        yield Measurement(name, peak, at_most=BOUND_MB)


def _work(work: str) -> None:
    import torch

    from harness.datasets.registry import PACKAGE
    from harness.datasets.relation_table import read_schema
    from harness.encoders.backbone import load_tokenizer
    from harness.encoders.batching import Collator
    from harness.encoders.checkpoint import new_model
    from harness.encoders.glidre_config import GlidreConfig
    from harness.encoders.plain_text import PlainDocumentEncoder
    from harness.training.config import TrainingConfig
    from harness.training.losses import relation_loss

    schema = read_schema(PACKAGE / "redocred_rel_info.json")
    ids = tuple(relation.id for relation in schema.relations)
    config = GlidreConfig(relations=ids, label_names=tuple(relation.name for relation in schema.relations))
    torch.manual_seed(0)
    model = new_model(config)
    tokenizer = load_tokenizer(config.encoder)
    sentences = "\n".join(" ".join(f"E{entity} met" for entity in range(ENTITIES)) for _ in range(MENTIONS))
    entities = [
        [(mention, 2 * entity, 2 * entity + 1, "PER") for mention in range(MENTIONS)] for entity in range(ENTITIES)
    ]
    encoder = PlainDocumentEncoder(tokenizer, config)
    one = encoder.encode(document(sentences, entities, [(0, ids[0], 1)]), with_labels=True)
    batch = Collator(tokenizer, config.window, config.overlap, len(ids))([one] * BATCH)
    if work == "scoring":
        model.begin_scoring()
        with torch.inference_mode():
            model(batch)
        return
    model.train()
    loss = relation_loss(model(batch).logits, batch.labels, TrainingConfig(loss="focal", focal_gamma=3.0))
    loss.backward()
    torch.optim.AdamW(model.parameters()).step()


def main() -> bool:
    """Measure, or be one measured process; whether the bound was kept."""
    if len(sys.argv) == 1:
        return report(measure())
    _work(sys.argv[1])
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}))
    return True


if __name__ == "__main__":
    sys.exit(not main())
