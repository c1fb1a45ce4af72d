"""Times the official scorer on 500 loaded documents: ``python -m tests.bench.scoring_speed``.

It takes Re-DocRED's dev split where that lies beside the checkout, and synthetic documents of the same size
otherwise. Predictions are half of the gold triplets and as many random ones.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import timeit
from collections.abc import Sequence
from functools import partial

from harness.scoring.official import facts_in_train, score
from harness.types import Document, Entity, Label, Mention, Prediction, Triplet
from tests.bench.report import Measurement, report
from tests.paths import SHARED_DATA
from tests.scoring.build import documents_from

RUNS = 20
RELATIONS = [f"P{number}" for number in range(96)]


def main() -> bool:
    """Measure; whether scoring stayed under 100 ms."""
    rng = random.Random(0)
    dev = SHARED_DATA / "redocred" / "dev_revised.json"
    if dev.is_file():
        source, documents = "Re-DocRED dev", list(documents_from(json.loads(dev.read_text())))
    else:
        source, documents = "synthetic", synthetic(rng)
    predictions = {document.title: guesses(document, rng) for document in documents}
    count = sum(map(len, predictions.values()))
    facts = facts_in_train(documents[: len(documents) // 2])
    measurements = []
    for name, train_facts in (("without training facts", None), (f"with {len(facts)} training facts", facts)):
        timed = partial(score, documents, predictions, train_facts)
        # timeit switches the garbage collector off, which a user's run does not.
        seconds = sorted(timeit.repeat(timed, setup=gc.enable, number=1, repeat=RUNS))
        label = f"ms to score {len(documents)} documents {name}"
        note = f"{source}, {count} predictions, median of {RUNS}"
        measurements.append(Measurement(label, seconds[RUNS // 2] * 1000, at_most=100, note=note))
    return report(measurements)


def guesses(document: Document, rng: random.Random) -> Sequence[Prediction]:
    entities = range(len(document.entities))
    predictions = []
    for label in document.labels:
        triplet = label.triplet
        if rng.random() < 0.5:
            triplet = Triplet(rng.choice(entities), rng.choice(RELATIONS), rng.choice(entities))
        predictions.append(Prediction(triplet, label.evidence))
    return predictions


def synthetic(rng: random.Random) -> list[Document]:
    """500 documents with 20 entities of one to three mentions, 8 sentences and 35 labels, as in dev."""
    documents = []
    for number in range(500):
        entities = tuple(
            Entity(tuple(Mention(f"E{rng.randrange(5000)}", rng.randrange(8), 0, 1, "PER") for _ in range(size)))
            for size in rng.choices([1, 2, 3], weights=[8, 1, 1], k=20)
        )
        labels = tuple(
            Label(Triplet(rng.randrange(20), rng.choice(RELATIONS), rng.randrange(20)), (rng.randrange(8),))
            for _ in range(35)
        )
        documents.append(Document(f"document {number}", (("x",),) * 8, entities, labels))
    return documents


if __name__ == "__main__":
    sys.exit(not main())
