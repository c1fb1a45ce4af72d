"""Two stored runs side by side: the documents that both were asked about, with labels and both runs' predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.errors import InputError
from harness.label_source import NOT_SCORED
from harness.records.question import DatasetIdentity
from harness.runs.results import RunResult
from harness.runs.stored_data import WHEREVER, DataPlace, find_dataset
from harness.scoring.breakdowns import Span, Spans
from harness.scoring.official import SCORER_VERSION
from harness.scoring.submission import read_submission
from harness.store import PREDICTIONS, RunFolder
from harness.types import Document, RelationSchema, Triplet


@dataclass(frozen=True, eq=False)
class PairedDocument:
    """A document, its labels as triplets, and the distinct triplets that each run predicts."""

    document: Document
    gold: frozenset[Triplet]
    a: frozenset[Triplet]
    b: frozenset[Triplet]
    spans: Spans

    @property
    def triplets(self) -> list[Triplet]:
        """All that is gold or predicted by either, in a fixed order."""
        return sorted(self.gold | self.a | self.b)

    def span(self, triplet: Triplet) -> Span | None:
        return self.spans.of(triplet)

    def types(self, triplet: Triplet) -> str | None:
        """The types of head and tail; None for a triplet that names an entity outside the document."""
        entities = self.document.entities
        if triplet.head >= len(entities) or triplet.tail >= len(entities):
            return None
        return f"{entities[triplet.head].type} to {entities[triplet.tail].type}"


@dataclass(frozen=True)
class PairedRuns:
    """Two runs over the same documents of one split; ``asked`` is how many documents each was asked about."""

    a: RunResult
    b: RunResult
    schema: RelationSchema
    documents: Sequence[PairedDocument]

    @property
    def asked(self) -> tuple[int, int]:
        return self.a.manifest.documents.asked, self.b.manifest.documents.asked


def pair_runs(a: RunFolder, b: RunFolder, place: DataPlace = WHEREVER) -> PairedRuns:
    """The documents that both runs were asked about, in the order of the dataset.

    ``place`` is where their data is now. Raises InputError for runs that are not complete, of different data or scored
    by another version, that share no document, and for data that cannot be found.
    """
    if a.path == b.path:
        raise InputError(f"{a.run_id} is compared with itself: name two runs")
    first, second = _comparable(a), _comparable(b)
    one, other = (result.manifest.question.dataset for result in (first, second))
    if one != other:
        raise InputError(
            f"the runs are not of the same documents: {a.run_id} is of {_named(one)}, {b.run_id} of {_named(other)}"
        )
    relations = {result.manifest.schema_sha256 for result in (first, second)} - {None}
    if len(relations) > 1:
        raise InputError(
            f"{a.run_id} and {b.run_id} are of the same documents with other relations (another rel_info.json), so "
            "their gold triplets differ"
        )
    dataset = find_dataset(a, first.manifest, place)
    shared = first.metrics.per_document.keys() & second.metrics.per_document.keys()
    if not shared:
        raise InputError(f"{a.run_id} and {b.run_id} share no document")
    documents = (document for document in dataset.documents if document.title in shared)
    return PairedRuns(first, second, dataset.schema, list(_paired(documents, a, b, dataset.schema)))


def _paired(
    documents: Iterator[Document], a: RunFolder, b: RunFolder, schema: RelationSchema
) -> Iterator[PairedDocument]:
    by_a, by_b = (read_submission(folder.path / PREDICTIONS, schema) for folder in (a, b))
    for document in documents:
        yield PairedDocument(
            document,
            frozenset(label.triplet for label in document.labels),
            frozenset(one.triplet for one in by_a.get(document.title, ())),
            frozenset(one.triplet for one in by_b.get(document.title, ())),
            Spans(document),
        )


def _comparable(folder: RunFolder) -> RunResult:
    result = RunResult.load(folder)
    if not result.is_scored:
        raise InputError(f"{folder.run_id}: {NOT_SCORED}, so there is nothing to compare")
    if result.metrics.scorer_version != SCORER_VERSION:
        raise InputError(f"{folder.run_id} was scored by another version of the scorer: `harness score` it again")
    return result


def _named(dataset: DatasetIdentity) -> str:
    return f"{dataset.name} {dataset.split} (file {dataset.sha256[:8]})"
