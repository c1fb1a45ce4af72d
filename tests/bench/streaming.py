"""Documents with thousands of questions are streamed: ``python -m tests.bench.streaming``.

400 documents of 80 entities are 6,320 pairs each, in 158 requests of 40 pairs. The run is stopped by ``--max-time``.
Measured are the time to the first answer, the most CPU time between two turns of the event loop, how late the run
ended, and the memory that came on top of that of a run of one small document.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from harness.datasets.registry import load_dataset
from harness.methods import context
from harness.methods.table import create_method
from harness.prompting import template
from harness.store import DocumentRecord
from harness.types import Completion
from tests.bench.engine_speed import Server, run_child
from tests.bench.report import Measurement, report
from tests.corpora import write_corpus
from tests.variants import extract, settings_of

DOCUMENTS, ENTITIES, CONNECTIONS = 400, 80, 64
LIMIT_S, LATENCY_S = 8.0, 0.05


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as name, Server(LATENCY_S) as base_url:
        corpus = write_long_documents(Path(name) / "long", DOCUMENTS, ENTITIES)
        few = write_corpus(Path(name) / "one", 1)
        begun, run = (run_child("tests.bench.streaming", base_url, str(one)) for one in (few, corpus))
    label = f"pairwise, {DOCUMENTS} documents of {ENTITIES} entities, {CONNECTIONS} connections"
    yield Measurement("s to the first answer", run["first_answer_s"], at_most=1.5, note=label)
    yield Measurement("CPU-s of the longest block of the event loop", run["longest_block_s"], at_most=0.1)
    yield Measurement(f"s that a run with --max-time {LIMIT_S:g} ends late", run["late_s"], at_most=1)
    more_mb = run["peak_mb"] - begun["peak_mb"]
    yield Measurement("MB above a run of one document", more_mb, at_most=200, note=f"{run['peak_mb']:.0f} MB in all")
    yield from _one_document()
    yield Measurement("answers a second", run["answers"] / run["seconds"], note=f"latency {LATENCY_S * 1000:g} ms")


def _one_document() -> Iterator[Measurement]:
    """Prompts of one long document with and without what they share, in CPU time and in its stored record."""
    with tempfile.TemporaryDirectory() as name:
        dataset = load_dataset(str(write_long_documents(Path(name), 1, ENTITIES)))
        (document,) = dataset.documents
        method = create_method(settings_of("pairwise", dataset.schema, "gbnf"))
    seconds = {}
    for kept in (True, False):
        render = template.render if kept else lambda one, step, context, _kept: template.render(one, step, context)
        with patch.object(context, "render", render):
            begun = time.process_time()
            extraction, requests = asyncio.run(extract(method, document, lambda _request: Completion("END", "stop")))
            seconds[kept] = time.process_time() - begun
    note = f"{seconds[True] / len(requests) * 1000:.2f} ms a question"
    yield Measurement(
        "CPU time of a document, shared beginnings / whole", seconds[True] / seconds[False], at_most=0.6, note=note
    )
    record = DocumentRecord.of(document.title, extraction, len(requests), 0)
    whole = len(json.dumps(record.steps))
    yield Measurement(
        "size of its record, shared / whole", len(record.to_json()) / whole, at_most=0.2, note=f"{whole:,} B"
    )


def write_long_documents(folder: Path, documents: int, entities: int) -> Path:
    """A corpus of documents with so many entities, one sentence each, over the schema of Re-DocRED."""
    content = []
    for number in range(documents):
        sentences = [f"Town{number}x{one} lies on the long river below the hill .".split() for one in range(entities)]
        vertices = [
            [{"name": sentence[0], "pos": [0, 1], "sent_id": place, "type": "LOC"}]
            for place, sentence in enumerate(sentences)
        ]
        labels = [{"h": 0, "t": 1, "r": "P131", "evidence": [0]}]
        content.append({"title": f"Document {number}", "sents": sentences, "vertexSet": vertices, "labels": labels})
    folder.mkdir(parents=True, exist_ok=True)
    names = {relation.id: relation.name for relation in load_dataset("sample").schema.relations}
    (folder / "rel_info.json").write_text(json.dumps(names), encoding="utf-8")
    path = folder / "corpus.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _run(base_url: str, corpus: Path) -> dict[str, float]:
    from harness.cli.display import QuietDisplay
    from harness.engine.asking import Traffic
    from harness.engine.budget import Limits
    from harness.runs.config import RunConfig
    from harness.runs.execute import Stopped, execute
    from harness.runs.plan import prepare
    from harness.store import RunFolder

    seen = {"first_answer_s": 0.0, "longest_block_s": 0.0}
    running: list[Traffic] = []
    begun = time.perf_counter()

    class Display(QuietDisplay):
        def started(self, run: RunFolder, total: int, traffic: Traffic) -> None:  # noqa: ARG002
            nonlocal begun
            running.append(traffic)
            begun = time.perf_counter()

    async def watch() -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.002)
            now = time.thread_time()
            if running:
                if not seen["first_answer_s"] and running[0].sent:
                    seen["first_answer_s"] = time.perf_counter() - begun
                elif seen["first_answer_s"]:
                    # Before the first answer the client's library is imported.
                    seen["longest_block_s"] = max(seen["longest_block_s"], now - last)
            last = now

    async def both() -> None:
        watching = asyncio.create_task(watch())
        try:
            await execute(prepare(config), Display())
        except Stopped:
            pass
        finally:
            watching.cancel()

    with tempfile.TemporaryDirectory() as results:
        config = RunConfig(
            model="scripted", prompt="pairwise", dataset=str(corpus), base_url=base_url, results=Path(results),
            model_options={"probe": "false", "constrain_with": "gbnf"}, max_connections=CONNECTIONS,
            limits=Limits(seconds=LIMIT_S),
        )  # fmt: skip
        asyncio.run(both())
    seconds = time.perf_counter() - begun
    return {**seen, "seconds": seconds, "late_s": seconds - LIMIT_S, "answers": running[0].sent}


def main() -> bool:
    """Measure, or be the run that is measured; whether all bounds were kept."""
    if len(sys.argv) == 1:
        return report(measure())
    content = _run(sys.argv[1], Path(sys.argv[2]))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({**content, "peak_mb": peak_mb}))
    return True


if __name__ == "__main__":
    sys.exit(not main())
