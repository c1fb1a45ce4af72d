"""Size and time of a report: ``python -m tests.bench.report_size``.

Runs have the prompts that the mock runner was sent, in four variants, and made-up answers: half of the gold triplets
and as many random ones. Documents are Re-DocRED's dev split where it lies beside the checkout, else generated ones.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.cli.display import QuietDisplay
from harness.datasets.registry import load_dataset
from harness.escaping import format_triplet
from harness.report.build import Report, ReportOptions
from harness.runs.config import RunConfig
from harness.runs.execute import execute
from harness.runs.metrics import metrics_of
from harness.runs.plan import prepare
from harness.runs.results import RunResult
from harness.runs.totals import RunTotals
from harness.scoring.submission import write_submission
from harness.store import PREDICTIONS, DocumentRecord, RunFolder
from harness.types import Document, Prediction, Triplet
from tests.bench.report import Measurement, report
from tests.corpora import write_corpus
from tests.paths import SHARED_DATA

VARIANTS = ({}, {"refs": "name"}, {"types": "hidden"}, {"refs": "name", "types": "hidden"})
DOCUMENTS = 500


def main() -> bool:
    """Measure 20 and 200 runs of 500 documents; whether the bounds were kept."""
    with tempfile.TemporaryDirectory() as scratch:
        return report(_measured(Path(scratch)))


def _measured(scratch: Path) -> Iterator[Measurement]:
    corpus = SHARED_DATA / "redocred" / "dev_revised.json"
    if not corpus.is_file():
        corpus = write_corpus(scratch / "corpus", DOCUMENTS)
    results = scratch / "results"
    templates = [_asked(results, corpus, variant) for variant in VARIANTS]
    documents = list(load_dataset(str(corpus)).documents)
    written = 0
    for runs in (20, 200):
        for number in range(written, runs):
            _write_run(results, templates[number % len(templates)], documents, number)
        written = runs
        began = time.perf_counter()
        options = ReportOptions(results, scratch / "report", [f"made-{number:03}-" for number in range(runs)])
        made = Report.find(options).write()
        seconds = time.perf_counter() - began
        what = f"{runs} runs of {made.documents} documents"
        bound = 10 if runs == 20 else None
        yield Measurement(f"MB of a report of {what}", made.size / 1e6, at_most=bound, note=corpus.name)
        yield Measurement(f"s to write it, {what}", seconds, at_most=60)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield Measurement(f"MB of memory at most so far, {what}", peak)


def _asked(results: Path, corpus: Path, options: dict[str, str]) -> RunResult:
    """A run of the mock runner, for its prompts."""
    config = RunConfig("mock", "tagged", str(corpus), prompt_options=options, results=results)
    return asyncio.run(execute(prepare(config), QuietDisplay()))


def _write_run(results: Path, template: RunResult, documents: list[Document], number: int) -> None:
    """A copy of a run under another name, with answers of its own."""
    rng = random.Random(number)
    folder = RunFolder(results / "runs" / f"made-{number:03}-{template.folder.run_id}")
    manifest = template.manifest.as_json()
    manifest["question"]["model"]["name"] = f"model-{number:03}"
    by_title = {}
    with folder.locked(), folder.document_writer() as writer:
        for document, record in zip(documents, template.folder.documents(), strict=True):
            predictions = tuple(_guesses(document, rng))
            lines = [format_triplet(*map(str, one.triplet)) for one in predictions]
            steps = tuple({**step, "text": "\n".join([*lines, "END"])} for step in record.steps)
            content = {**{name: getattr(record, name) for name in record.__dataclass_fields__}, "steps": steps}
            writer.write(DocumentRecord(**{**content, "predictions": predictions}))
            by_title[document.title] = predictions
    write_submission(folder.path / PREDICTIONS, [(title, one) for title, some in by_title.items() for one in some])
    folder.write_metrics(metrics_of(documents, RunTotals({**by_title}), None))
    folder.write_manifest(template.manifest.changed(**manifest))


def _guesses(document: Document, rng: random.Random) -> Iterator[Prediction]:
    entities = range(len(document.entities))
    for label in document.labels:
        if rng.random() < 0.5:
            yield Prediction(label.triplet)
        else:
            yield Prediction(Triplet(rng.choice(entities), label.triplet.relation, rng.choice(entities)))


if __name__ == "__main__":
    sys.exit(not main())
