"""Writing documents in Parquet: a row each, in columns named as DocRED's keys, as the reader of Parquet takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from harness.datasets.docred import CANDIDATES, UNSEEN
from harness.errors import ModelUnavailable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as parquet

ROWS = 1000
"""Documents of a row group: they are held until it is whole."""


@dataclass
class ParquetRows:
    """Writes documents, given as objects in DocRED's format, to an open file.

    ``close`` writes what is held, ``abandon`` does not.
    Raises ModelUnavailable where pyarrow is not installed, and OSError where the file cannot be written.
    """

    file: IO[bytes]
    _held: list[Mapping[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        try:
            import pyarrow.parquet as parquet
        except ImportError as error:
            raise ModelUnavailable("writing Parquet needs pip install 'docre-harness[parquet]'") from error
        self._columns = _columns()
        self._writer: parquet.ParquetWriter = parquet.ParquetWriter(self.file, self._columns)

    def add(self, document: Mapping[str, Any]) -> None:
        """Write the document, or hold it until its row group is whole."""
        self._held.append(document)
        if len(self._held) == ROWS:
            self._write()

    def close(self) -> None:
        """Write what is held and the end of the file; the file stays open."""
        self._write()
        self._writer.close()

    def abandon(self) -> None:
        """End the writer while the file is open: left to the collector, it would write to a closed one."""
        self._held.clear()
        self._writer.close()

    def _write(self) -> None:
        import pyarrow as pa

        if self._held:
            rows = [{**row, UNSEEN: list(row.get(UNSEEN, {}).items())} for row in self._held]
            self._writer.write_table(pa.Table.from_pylist(rows, self._columns))
            self._held.clear()


def _columns() -> pa.Schema:
    import pyarrow as pa

    number, text = pa.int32(), pa.string()
    mention = pa.struct([("name", text), ("pos", pa.list_(number)), ("sent_id", number), ("type", text)])
    label = pa.struct([("h", number), ("t", number), ("r", text), ("evidence", pa.list_(number))])
    return pa.schema(
        [
            ("title", text),
            ("sents", pa.list_(pa.list_(text))),
            ("vertexSet", pa.list_(pa.list_(mention))),
            ("labels", pa.list_(label)),
            ("label_source", pa.struct([("kind", text), ("name", text)])),
            (CANDIDATES, pa.list_(pa.list_(number))),
            (UNSEEN, pa.map_(text, text)),
        ]
    )
