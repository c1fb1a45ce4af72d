"""Running an annotation: resumable, watched, filtered, written in DocRED format."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.annotation.plan import AnnotationRun
from harness.datasets.docred_output import DocumentOutput, document_output, write_schema
from harness.datasets.registry import CORPORA
from harness.engine.asking import Asker
from harness.engine.budget import BudgetExhausted
from harness.engine.documents import DocumentResult, run_documents
from harness.engine.journal import JOURNAL_FILE, Journal
from harness.engine.session import RunnerSession
from harness.engine.stop import Interrupted
from harness.errors import InputError, ModelUnavailable
from harness.label_source import LabelSource
from harness.methods.annotate import relation_of
from harness.records.manifest import CompleteManifest
from harness.runs.batch import in_batches
from harness.runs.execute import First, Observer, Stopped, asker_of, supervise
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
    document, and the corpus where ``out`` is empty. A file is JSON, JSON lines or Parquet, by its name. Answers in the
    journal are not asked for again. ``session`` and ``first`` are as of ``execute``.
    Raises InputError where ``out`` would mix with another corpus, and Stopped; the documents that were finished before
    the stop are then in the files that ``left_unfinished`` names.
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

        writing = _Writing(files, LabelSource("model", experiment.spec.name), experiment)

        async def work() -> AnnotationCounts:
            if first is not None:
                await first(asker, journal, folder, "")
            return await _annotate_all(experiment, folder, writing, asker, observer)

        try:
            counts = await supervise(work(), experiment, folder, asker, manifest, observer)
        except Stopped as stopped:
            if not writing.left:
                raise
            those = "document that is finished is" if writing.counts.written["documents"] == 1 else "documents are"
            told = f"{writing.counts.written['documents']:,} {those} in {', '.join(map(str, writing.left))}"
            raise type(stopped)(f"{stopped}; {told} until all are") from None
        return AnnotationResult(files, folder, manifest.complete(counts.as_json(), asker.traffic))


def left_unfinished(file: Path) -> Path:
    """Where an annotation that was stopped leaves what it had written of a file: ``corpus.partial.json``."""
    return file.with_suffix(f".partial{file.suffix}")


@dataclass
class _Writing:
    """Documents on their way to ``files``: those that ended are counted, and written in the order of the texts.

    ``left`` are the files that a stop left behind. Some documents end before an earlier one: they are held until that
    has ended, too, and written all the same when the annotation is stopped.
    """

    files: Sequence[Path]
    source: LabelSource
    experiment: AnnotationRun
    counts: AnnotationCounts = field(default_factory=AnnotationCounts)
    left: list[Path] = field(default_factory=list)
    _outputs: list[DocumentOutput] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)
    _held: dict[str, DocumentResult] = field(default_factory=dict)

    def begin(self, stack: ExitStack) -> None:
        self._outputs = [stack.enter_context(document_output(file)) for file in self.files]

    def numbered(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents, with their places remembered."""
        for place, document in enumerate(documents):
            self._places[document.title] = place
            yield document

    def hold(self, result: DocumentResult) -> None:
        self._held[result.document.title] = result

    def write(self, result: DocumentResult) -> None:
        """Write the document, or count why it is dropped."""
        self._held.pop(result.document.title, None)
        self._places.pop(result.document.title, None)
        if reason := _reason_to_drop(result, self.experiment.fewest):
            self.counts.dropped[reason] += 1
            return
        document = _annotated(result, self.source)
        for output in self._outputs:
            output.write(document)
        self.counts.add_written(document)

    def end(self) -> None:
        """What an earlier stop left behind is no longer needed."""
        for file in self.files:
            left_unfinished(file).unlink(missing_ok=True)

    def leave(self) -> None:
        """Leave what was written, and all that has ended since, under another name, with its relations.

        Where a file is there from an earlier annotation, nothing is left: the table beside it is its own.
        """
        if any(file.exists() for file in self.files):
            return
        for result in sorted(self._held.values(), key=lambda one: self._places[one.document.title]):
            self.write(result)
        if not self.counts.written["documents"]:
            return
        for output in self._outputs:
            place = left_unfinished(output.path)
            output.leave_as(place)
            self.left.append(place)
        self.write_relations()

    def write_relations(self) -> None:
        """Write the table of relations beside each file: those of the schema, or of an open one those that occurred."""
        schema = self.experiment.settings.schema
        if relations := schema.relations or tuple(map(relation_of, self.counts.relation_ids)):
            for table in dict.fromkeys(file.with_name(RELATIONS_FILE) for file in self.files):
                write_schema(table, RelationSchema(relations))


async def _annotate_all(
    experiment: AnnotationRun, folder: RunFolder, writing: _Writing, asker: Asker, observer: Observer
) -> AnnotationCounts:
    def finished(result: DocumentResult) -> None:
        writing.hold(result)
        observer.finished(result)

    with folder.document_writer() as records, ExitStack() as stack:
        writing.begin(stack)
        try:
            async for result in run_documents(
                writing.numbered(experiment.documents),
                experiment.method(),
                lambda _document: partial(asker.answer, home=[]),
                connections=asker.endpoints.connections,
                when_more=asker.endpoints.when_more,
                stop=asker.stop,
                outages=asker.session.outages,
                on_finished=finished,
            ):
                record = DocumentRecord.of(result.document.title, result.extraction, result.requests, result.seconds)
                records.write(record)
                writing.counts.totals.add(record)
                writing.write(result)
            writing.write_relations()
        except (Interrupted, BudgetExhausted, asyncio.CancelledError):
            writing.leave()
            raise
    writing.end()
    return writing.counts


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
    if file.suffix not in (".json", ".jsonl", ".parquet"):
        raise InputError(f"--out {file}: name a .json, a .jsonl or a .parquet file")
    if list(files).count(file) > 1:
        raise InputError(f"--out {file}: is given twice")
    if file.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ModelUnavailable(f"--out {file}: writing Parquet needs pip install 'docre-harness[parquet]'")
    table = file.with_name(RELATIONS_FILE)
    is_ours = any(one.exists() or left_unfinished(one).exists() for one in files if one.parent == file.parent)
    if file == table or (table.exists() and not is_ours):
        raise InputError(f"--out {file}: {table} would be overwritten; name a file in a folder of its own")
