"""Running an annotation: resumable, watched, filtered, written in DocRED format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.annotation.plan import AnnotationRun
from harness.datasets.docred_output import document_output, write_schema
from harness.datasets.registry import CORPORA
from harness.engine.asking import Asker
from harness.engine.documents import DocumentResult, run_documents
from harness.engine.journal import JOURNAL_FILE, Journal
from harness.engine.session import RunnerSession
from harness.errors import InputError, ModelUnavailable
from harness.label_source import LabelSource
from harness.methods.annotate import relation_of
from harness.records.manifest import CompleteManifest
from harness.runs.batch import in_batches
from harness.runs.execute import First, Observer, asker_of, supervise
from harness.runs.failures import Failure, failures_of
from harness.runs.manifest import RunManifest
from harness.runs.totals import RunTotals
from harness.store import DocumentRecord, RunFolder
from harness.types import Document, Label, RelationSchema

CORPUS_FILE = "annotated.json"
RELATIONS_FILE = CORPORA["redocred"].relations.name
WITHOUT_ENTITIES = "without_entities"


@dataclass
class AnnotationCounts:
    """What was written and what was dropped; ``dropped`` counts documents by their status or emptiness."""

    totals: RunTotals = field(default_factory=RunTotals)
    dropped: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    relation_ids: dict[str, None] = field(default_factory=dict)

    def add_written(self, document: Document) -> None:
        self.written["documents"] += 1
        self.written["entities"] += len(document.entities)
        self.written["mentions"] += sum(len(entity.mentions) for entity in document.entities)
        self.written["triplets"] += len(document.labels)
        self.relation_ids.update((label.triplet.relation, None) for label in document.labels)

    def as_json(self) -> dict[str, Any]:
        names = ("documents", "entities", "mentions", "triplets")
        written = {name: self.written[name] for name in names}
        return {
            **self.totals.as_json(),
            "written": {**written, "relations": len(self.relation_ids)},
            "dropped": dict(self.dropped),
        }


@dataclass(frozen=True)
class AnnotationResult:
    """A complete annotation: the files written, and the folder that tells how they came about."""

    files: tuple[Path, ...]
    """They hold the same documents; there is one at least."""
    folder: RunFolder
    manifest: CompleteManifest

    @property
    def corpus(self) -> Path:
        return self.files[0]

    @property
    def failures(self) -> list[Failure]:
        """The documents without a full answer by status, with the commonest error of each and what helps."""
        return failures_of(self.manifest, "the same command asks again")

    def failed_too_often(self, most: float) -> bool:
        """Whether more than the share ``most`` of the calls failed, or no document got whole answers.

        Texts whose answers are not whole are dropped and counted; the corpus is none the worse for it.
        """
        statuses, asked = self.manifest.statuses, self.manifest.documents.asked
        return bool(asked and (not statuses.get("ok") or statuses.get("api_error", 0) > most * asked))

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        kept = ("status", "written", "dropped", "rejects", "details", "usage", "spent")
        return {
            "out": str(self.corpus),
            "files": [str(file) for file in self.files],
            "run_id": self.folder.run_id,
            "run_dir": str(self.folder.path),
            "documents": self.manifest.documents.asked,
            "failures": [failure._asdict() for failure in self.failures],
            **{name: value for name, value in self.manifest.as_json().items() if name in kept},
        }


async def annotate_in_batches(
    experiment: AnnotationRun, observer: Observer, out: Sequence[Path] = (), by_hand: Path | None = None
) -> AnnotationResult:
    """As ``annotate``, but the model is asked in batches; as ``in_batches``."""

    async def work(batched: AnnotationRun, session: RunnerSession, first: First) -> AnnotationResult:
        return await annotate(batched, observer, out, session, first)

    return await in_batches(experiment, work, by_hand)


async def annotate(
    experiment: AnnotationRun,
    observer: Observer,
    out: Sequence[Path] = (),
    session: RunnerSession | None = None,
    first: First | None = None,
) -> AnnotationResult:
    """Annotate every text, write the whole answers' documents to each file of ``out`` and the relations beside it.

    Only a document that ends ``ok`` and has an entity is written: a broken-off list would call pairs
    unrelated that nobody judged. ``results/annotations/<id>/`` holds the manifest, a record of every
    document, and the corpus where ``out`` is empty. A file is JSON or Parquet, by its name. Answers in the journal are
    not asked for again. ``session`` and ``first`` are as of ``execute``.
    Raises InputError where ``out`` would mix with another corpus, and Stopped.
    """
    if session is None:
        async with RunnerSession(experiment.runner) as own:
            return await annotate(experiment, observer, out, own, first)
    config = experiment.config
    folder = RunFolder(config.results / "annotations" / experiment.run_id)
    files = tuple(out) or (folder.path / CORPUS_FILE,)
    for file in files:
        _check_place(file, files)
    with folder.locked(), Journal(config.results / JOURNAL_FILE) as journal:
        asker = asker_of(experiment, journal, session)
        manifest = RunManifest(folder, experiment.asked(), journal)
        manifest.begin()

        async def work() -> AnnotationCounts:
            if first is not None:
                await first(asker, journal, folder, "")
            return await _annotate_all(experiment, folder, files, asker, observer)

        counts = await supervise(work(), experiment, folder, asker, manifest, observer)
        return AnnotationResult(files, folder, manifest.complete(counts.as_json(), asker.traffic))


async def _annotate_all(
    experiment: AnnotationRun, folder: RunFolder, files: Sequence[Path], asker: Asker, observer: Observer
) -> AnnotationCounts:
    counts = AnnotationCounts()
    with folder.document_writer() as records, ExitStack() as stack:
        outputs = [stack.enter_context(document_output(file)) for file in files]
        async for result in run_documents(
            experiment.documents,
            experiment.method(),
            lambda _document: partial(asker.answer, home=[]),
            connections=asker.endpoints.connections,
            when_more=asker.endpoints.when_more,
            stop=asker.stop,
            outages=asker.session.outages,
            on_finished=observer.finished,
        ):
            record = DocumentRecord.of(result.document.title, result.extraction, result.requests, result.seconds)
            records.write(record)
            counts.totals.add(record)
            if reason := _reason_to_drop(result, experiment.fewest):
                counts.dropped[reason] += 1
            else:
                document = _annotated(result, LabelSource("model", experiment.spec.name))
                for output in outputs:
                    output.write(document)
                counts.add_written(document)
        if relations := experiment.settings.schema.relations or tuple(map(relation_of, counts.relation_ids)):
            for table in dict.fromkeys(file.with_name(RELATIONS_FILE) for file in files):
                write_schema(table, RelationSchema(relations))
    return counts


def _reason_to_drop(result: DocumentResult, fewest: Mapping[str, int]) -> str:
    """Why the document is not written: its status, or that it has no entity or too few; empty if it is."""
    extraction = result.extraction
    if extraction.status != "ok":
        return extraction.status
    if not extraction.entities:
        return WITHOUT_ENTITIES
    counts = {"entities": len(extraction.entities), "triplets": len(extraction.predictions)}
    return next((f"few_{name}" for name, count in counts.items() if count < fewest.get(name, 0)), "")


def _annotated(result: DocumentResult, source: LabelSource) -> Document:
    labels = tuple(Label(one.triplet, one.evidence) for one in result.extraction.predictions)
    return replace(result.document, entities=result.extraction.entities, labels=labels, label_source=source)


def _check_place(file: Path, files: Sequence[Path]) -> None:
    """The table of relations must stand beside a file, and must not take the place of another corpus's."""
    if file.suffix not in (".json", ".parquet"):
        raise InputError(f"--out {file}: name a .json or a .parquet file")
    if list(files).count(file) > 1:
        raise InputError(f"--out {file}: is given twice")
    if file.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ModelUnavailable(f"--out {file}: writing Parquet needs pip install 'docre-harness[parquet]'")
    table = file.with_name(RELATIONS_FILE)
    is_ours = any(one.exists() for one in files if one.parent == file.parent)
    if file == table or (table.exists() and not is_ours):
        raise InputError(f"--out {file}: {table} would be overwritten; name a file in a folder of its own")
