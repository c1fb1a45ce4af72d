"""Writing the DocRED format, as JSON or Parquet: documents one by one, and the table of their relations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from harness.datasets.docred import CANDIDATES, UNSEEN
from harness.datasets.formats import format_of
from harness.datasets.parquet_output import ParquetRows
from harness.datasets.relation_table import RELATION_TABLES
from harness.errors import InputError, StorageError
from harness.json_files import json_text
from harness.label_source import NO_LABELS
from harness.types import Document, RelationSchema


class Rows(Protocol):
    """What writes documents, given as objects in DocRED's format, to an open file."""

    def add(self, document: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None: ...


@dataclass
class JsonRows:
    """Writes documents to an open file as a JSON list, one a line, or ``as_lines`` without brackets and commas."""

    file: IO[bytes]
    as_lines: bool = False
    _begun: bool = False

    def add(self, document: Mapping[str, Any]) -> None:
        text = json_text(document, ensure_ascii=False)
        before = "" if self.as_lines else ",\n" if self._begun else "[\n"
        self.file.write((before + text + ("\n" if self.as_lines else "")).encode())
        self._begun = True

    def close(self) -> None:
        if not self.as_lines:
            self.file.write(b"\n]\n" if self._begun else b"[]\n")

    def abandon(self) -> None:
        """Nothing is held."""


@dataclass
class DocumentOutput:
    """Writes documents and counts them."""

    path: Path
    rows: Rows
    file: IO[bytes]
    count: int = 0

    def write(self, document: Document, none: str = "") -> None:
        """Write a document; with ``none``, the id of the relation that means none, also its pairs without relation."""
        with _storing(self.path):
            self.rows.add(as_docred(document, none))
        self.count += 1

    def leave_as(self, path: Path) -> None:
        """End the file under another name, since not all documents came to be written; its own stays as it was."""
        with _storing(path):
            self.rows.close()
            self.file.close()
            _unfinished(self.path).replace(path)


@contextmanager
def document_output(path: Path) -> Iterator[DocumentOutput]:
    """A file in DocRED's format that takes its name when the block ends without an error, or else never appears.

    One named ``.parquet`` has a document a row, one named ``.jsonl`` a line, any other is a JSON list. Raises
    InputError for a name by which the file would be read as something else, StorageError where it cannot be written,
    ModelUnavailable where pyarrow is needed and not installed.
    """
    form = format_of(path)
    if form not in ("docred", "parquet") or path.suffix.lower() == ".gz" or path.name in RELATION_TABLES:
        raise InputError(f"{path}: documents are written as .json, .jsonl or .parquet; name such a file")
    partial = _unfinished(path)
    with _storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = partial.open("wb")
    rows: Rows | None = None
    try:
        rows = ParquetRows(file) if form == "parquet" else JsonRows(file, path.suffix.lower() == ".jsonl")
        yield DocumentOutput(path, rows, file)
        with _storing(path):
            rows.close()
            file.close()
            partial.replace(path)
    finally:
        # The failure under way is the one to tell, not that of closing.
        with suppress(OSError):
            if rows and not file.closed:
                rows.abandon()
            file.close()
        partial.unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    """Where a file is while it is written."""
    return path.with_name(f"{path.name}.tmp")


def write_schema(path: Path, schema: RelationSchema) -> None:
    """``rel_info.json``: relation id -> name, in the schema's order; StorageError where it cannot be written."""
    table: dict[str, Any] = {relation.id: relation.name for relation in schema.relations}
    table |= {id: {"name": id, "none": True} for id in schema.none}
    with _storing(path):
        path.write_text(json_text(table, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def as_docred(document: Document, none: str = "") -> dict[str, Any]:
    """The document as ``harness.datasets.docred`` reads it; labels that no human wrote say so.

    With ``none``, pairs that are labelled as unrelated are labels of that relation.
    """
    content: dict[str, Any] = {
        "title": document.title,
        "sents": [list(sentence) for sentence in document.sentences],
        "vertexSet": [
            [
                {"name": one.name, "pos": [one.start, one.end], "sent_id": one.sent_id, "type": one.type}
                for one in entity.mentions
            ]
            for entity in document.entities
        ],
    }
    if document.candidates is not None:
        content[CANDIDATES] = [list(pair) for pair in document.candidates]
    if document.unseen:
        content[UNSEEN] = {one.id: one.name for one in document.unseen}
    source = document.label_source
    if source == NO_LABELS:
        return content
    content["labels"] = [
        {"h": head, "t": tail, "r": relation, "evidence": list(label.evidence)}
        for label in document.labels
        for head, relation, tail in [label.triplet]
    ]
    if none:
        content["labels"] += [{"h": head, "t": tail, "r": none, "evidence": []} for head, tail in document.unrelated]
    return content if source.is_gold else {**content, "label_source": asdict(source)}


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}. Free some space, or choose another place"
        ) from error
