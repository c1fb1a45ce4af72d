"""What an analysis leaves in its folder: one JSON file with everything, and a CSV file for each table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import strict_json
from harness.errors import StorageError

if TYPE_CHECKING:
    import pandas as pd


def store_analysis(folder: Path, name: str, content: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> None:
    """Write ``NAME.json`` and each table as a CSV file of its name; raises StorageError where that cannot be done."""
    text = strict_json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
        for table_name, table in tables.items():
            table.to_csv(folder / f"{table_name}.csv", index=False, lineterminator="\n")
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(
            f"{folder}: cannot be written ({reason}); free some space, or choose another folder"
        ) from error
