"""Predictions of a block as a Parquet file, which appears whole: it is the checkpoint of the block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StorageError
from harness.prediction.blocks import Block, Row
from harness.prediction.predictors import Predicted

if TYPE_CHECKING:
    import pyarrow as pa

COUNTS = b"harness"
BAD_INPUT = "bad_input"
"""The status of a row that holds no document."""


def columns() -> pa.Schema:
    """A row for each document: where it stood, how it ended, and its triplets by entity index and name."""
    import pyarrow as pa

    triplet = pa.struct(
        [
            ("head", pa.int32()),
            ("relation", pa.string()),
            ("tail", pa.int32()),
            ("score", pa.float64()),
            ("evidence", pa.list_(pa.int32())),
            ("head_name", pa.string()),
            ("tail_name", pa.string()),
        ]
    )
    return pa.schema(
        [
            ("file", pa.string()),
            ("row", pa.int64()),
            ("title", pa.string()),
            ("status", pa.string()),
            ("error", pa.string()),
            ("triplets", pa.list_(triplet)),
        ]
    )


def write_block(folder: Path, block: Block, rows: Sequence[Row], predicted: Sequence[Predicted]) -> dict[str, int]:
    """Write a block; ``predicted`` are those of the rows that hold a document. Returns counts by status."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    results = iter(predicted)
    content = [_content(block, row, next(results) if row.document else None) for row in rows]
    statuses: dict[str, int] = {}
    for one in content:
        statuses[one["status"]] = statuses.get(one["status"], 0) + 1
    counts = json.dumps({"statuses": statuses, "triplets": sum(len(one["triplets"]) for one in content)})
    schema = columns().with_metadata({COUNTS: counts.encode()})
    target = folder / block.name
    partial = target.with_name(f".{target.name}.partial")
    try:
        parquet.write_table(pa.Table.from_pylist(content, schema=schema), partial)
        partial.replace(target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error}; free some space, then type the same command") from None
    return statuses


def counts_of(folder: Path, block: Block) -> dict[str, Any] | None:
    """What a block's file says of its documents (``statuses``, ``triplets``).

    None where there is none, and where it holds other rows: files of a corpus may grow, or others come between them.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    file = folder / block.name
    try:
        found = json.loads((parquet.read_schema(file).metadata or {})[COUNTS])
        held = parquet.read_table(file, columns=["file", "row"])
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
    rows, files = held["row"].to_pylist(), set(held["file"].to_pylist())
    is_whole = rows == list(range(block.first, block.end)) and files == {block.file}
    return dict(found) if is_whole and isinstance(found, dict) else None


def _content(block: Block, row: Row, predicted: Predicted | None) -> dict[str, Any]:
    place = {"file": block.file, "row": row.number}
    if row.document is None or predicted is None:
        return {**place, "title": None, "status": BAD_INPUT, "error": row.error, "triplets": []}
    entities = row.document.entities
    triplets = [
        {
            "head": one.triplet.head,
            "relation": one.triplet.relation,
            "tail": one.triplet.tail,
            "score": one.score,
            "evidence": list(one.evidence),
            "head_name": entities[one.triplet.head].name,
            "tail_name": entities[one.triplet.tail].name,
        }
        for one in predicted.predictions
    ]
    done = {"status": predicted.status, "error": predicted.error, "triplets": triplets}
    return {**place, "title": row.document.title, **done}
