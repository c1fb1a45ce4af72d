"""Times alignment with the real MiniLM: ``python -m tests.bench.alignment_speed``.

20,000 relation strings, 500 of them distinct, over 500 documents: once with no vector known, once with all of
them in the cache on disk, then 50 thetas over the decisions.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.alignment.decisions import RelationDecision
from harness.alignment.embedding import CachedEmbedder
from harness.alignment.nearest import NearestRelations, Readings
from harness.alignment.vector_cache import VectorCache
from harness.analyses.sweep import AlignableDocument, sweep_theta
from harness.datasets.registry import CORPORA, PACKAGE
from harness.datasets.relation_table import read_schema
from harness.types import Document, Entity, Label, Mention, Triplet
from tests.bench.report import Measurement, report
from tests.minilm import minilm

DOCUMENTS, STRINGS_PER_DOCUMENT, DISTINCT, THETAS = 500, 40, 500, 50
ENTITIES = 20


def measure() -> Iterator[Measurement]:
    schema = read_schema(PACKAGE / CORPORA["redocred"].packaged_relations)
    readings = [Readings(relation.id, relation.name) for relation in schema.relations]
    random_ = random.Random(0)
    words = [f"{verb} {one.name}" for verb in ("knows", "has the", "is", "was", "of", "by") for one in schema.relations]
    texts = random_.sample(words, DISTINCT)
    written = [random_.choices(texts, k=STRINGS_PER_DOCUMENT) for _ in range(DOCUMENTS)]
    minilm().embed(["the weights are loaded now"])
    with tempfile.TemporaryDirectory() as folder:
        embedder = CachedEmbedder(minilm(), VectorCache(Path(folder) / "vectors.sqlite"))
        for state in ("no vector known", "all vectors on disk"):
            nearest = NearestRelations(readings, embedder)
            started = time.perf_counter()
            for texts_of_document in written:
                nearest.learn(texts_of_document)
            seconds = time.perf_counter() - started
            note = f"{DISTINCT} distinct, {DOCUMENTS} documents"
            yield Measurement(f"s to align {DOCUMENTS * STRINGS_PER_DOCUMENT:,} strings, {state}", seconds, note=note)
    documents = [_decided(number, several, nearest, random_) for number, several in enumerate(written)]
    started = time.perf_counter()
    sweep_theta(documents, [number / THETAS for number in range(THETAS)])
    yield Measurement(f"s for {THETAS} thetas over {DOCUMENTS} documents", time.perf_counter() - started, at_most=5)


def _decided(number: int, texts: list[str], nearest: NearestRelations, random_: random.Random) -> AlignableDocument:
    decisions = []
    for text in texts:
        found = nearest.nearest(text)
        assert found is not None
        head, tail = random_.sample(range(ENTITIES), 2)
        decisions.append(RelationDecision(text, found.relation, found.cosine, True, found.inverted, head, tail))
    gold = frozenset(Triplet(one.head, one.relation, one.tail) for one in decisions[::4])
    entities = tuple(Entity((Mention(str(one), 0, one, one + 1, "ORG"),)) for one in range(ENTITIES))
    labels = tuple(Label(one) for one in gold)
    sentence = tuple(map(str, range(ENTITIES)))
    return AlignableDocument(
        Document(f"document {number}", (sentence,), entities, labels), frozenset(), tuple(decisions)
    )


def main() -> bool:
    """Measure; whether the sweep took seconds only."""
    return report(measure())


if __name__ == "__main__":
    sys.exit(not main())
