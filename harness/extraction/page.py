"""Results as pages: every text with its mentions, the graph of its triplets, and the list of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.extraction.pipeline import Outcome
from harness.extraction.results import token_offsets
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
        result = outcome.extracted
        write_data(self.folder, f"document-{len(self.rows)}", page_data(outcome))
        self.rows.append({"title": result.title, "entities": len(result.entities), "triplets": len(result.relations)})


def page_data(outcome: Outcome) -> dict[str, Any]:
    """What the page of one text shows."""
    found = outcome.document
    document = Document(found.title, found.sentences, found.entities, (), NO_LABELS)
    triplets = [label.triplet for label in found.labels]
    predictions = tuple(
        Prediction(label.triplet, label.evidence, one.score)
        for label, one in zip(found.labels, outcome.extracted.relations, strict=True)
    )
    record = DocumentRecord.of(found.title, Extraction(predictions), 0, 0.0)
    data = DocumentData(document, 0, TextTable([]))
    data.add(0, record, find_mistakes(document, triplets))
    return data.as_json() | _as_written(outcome)


def _as_written(outcome: Outcome) -> dict[str, Any]:
    """Sentences and names with the spaces of the text, which tokens do not tell."""
    found, result = outcome.document, outcome.extracted
    offsets = token_offsets(result.text, found.sentences)
    return {
        "sentences": [
            [" " * (before < start) + result.text[start:end] for (_, before), (start, end) in pairwise(line)]
            for line in ([(0, sentence[0][0]), *sentence] if sentence else [] for sentence in offsets)
        ],
        "entities": [
            {
                "type": entity.type,
                "names": list(dict.fromkeys(" ".join(mention.text.split()) for mention in one.mentions)),
                "mentions": [[mention.sent_id, mention.start, mention.end] for mention in entity.mentions],
            }
            for entity, one in zip(found.entities, result.entities, strict=True)
        ],
    }


def shared_data(titles: Sequence[str], schema: RelationSchema, system: str) -> dict[str, Any]:
    """What the pages of these texts share."""
    relations = {one.id: one.name for one in schema.relations}
    return {"lines": [], "documents": [*titles], "runs": {0: system}, "relations": [relations], "alone": True}


@contextmanager
def page_writer(out: Path, schema: RelationSchema, system: str) -> Iterator[PageWriter]:
    """A writer of the folder ``out``, which appears whole at the end, in place of earlier pages.

    Raises InputError where ``out`` is something else, StorageError where it cannot be written.
    """
    check_replaceable(out, "--html")
    with new_folder(out, "--html") as folder:
        pages = Pages.into(folder)
        writer = PageWriter(folder)
        yield writer
        write_data(folder, "shared", shared_data([row["title"] for row in writer.rows], schema, system))
        pages.write("index.html", "texts.html", {"rows": writer.rows, "system": system})
        pages.write("document.html", "document.html", {})
