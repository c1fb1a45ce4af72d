"""Results as pages: every text with its mentions, the graph of its triplets, and the list of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.extraction.pipeline import Outcome
from harness.label_source import NO_LABELS
from harness.report.build import check_replaceable, new_folder
from harness.report.documents import DocumentData
from harness.report.pages import Pages, write_data
from harness.report.texts import TextTable
from harness.scoring.mistakes import find_mistakes
from harness.store import DocumentRecord
from harness.types import Document, Extraction, Prediction, RelationSchema


@dataclass
class PageWriter:
    """Writes the data of each text as it comes; few bytes of each are kept for the first page."""

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def write(self, outcome: Outcome) -> None:
        result, found = outcome.extracted, outcome.document
        document = Document(found.title, found.sentences, found.entities, (), NO_LABELS)
        triplets = [label.triplet for label in found.labels]
        predictions = tuple(
            Prediction(label.triplet, label.evidence, one.score)
            for label, one in zip(found.labels, result.relations, strict=True)
        )
        record = DocumentRecord.of(found.title, Extraction(predictions), 0, 0.0)
        data = DocumentData(document, 0, TextTable([]))
        data.add(0, record, find_mistakes(document, triplets))
        write_data(self.folder, f"document-{len(self.rows)}", data.as_json())
        self.rows.append({"title": result.title, "entities": len(result.entities), "triplets": len(result.relations)})


@contextmanager
def page_writer(out: Path, schema: RelationSchema, system: str) -> Iterator[PageWriter]:
    """A writer of the folder ``out``, which appears whole at the end, in place of earlier pages.

    Raises InputError where ``out`` is something else, StorageError where it cannot be written.
    """
    check_replaceable(out)
    with new_folder(out) as folder:
        pages = Pages.into(folder)
        writer = PageWriter(folder)
        yield writer
        shared = {
            "lines": [],
            "documents": [row["title"] for row in writer.rows],
            "runs": {0: system},
            "relations": [{one.id: one.name for one in schema.relations}],
            "alone": True,
        }
        write_data(folder, "shared", shared)
        pages.write("index.html", "texts.html", {"rows": writer.rows, "system": system})
        pages.write("document.html", "document.html", {})
