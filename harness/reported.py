"""What papers report: their tables as data, read from ``results/reported``."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.json_files import finite, shown
from harness.paths import reported_dir

if TYPE_CHECKING:
    import pandas as pd

INDEX = "tables.toml"
METRICS = ("precision", "recall", "f1", "ign_f1", "intra_f1", "inter_f1", "pair_f1")
_SPREAD = "_spread"
_NEEDED = ("row", "system", "setting", "dataset", "split")
_OPTIONAL = ("cited", "relation", "relation_name", "apart", "extracted")
_PERCENT = 100.0


@dataclass(frozen=True)
class ReportedRow:
    """A row of a paper's table, for one split.

    ``row`` is the paper's label and ``system`` ours, the same in all tables; ``cited`` is the work that the paper took
    the row from. ``values`` are fractions (0 to 1) by the names of ``METRICS``, ``spreads`` the deviations beside them.
    ``relation`` is the id of the only relation that a row is about ("" for all), ``apart`` why it does not stand
    beside runs over the whole split.
    """

    source: str
    row: str
    cited: str
    system: str
    setting: str
    dataset: str
    split: str
    relation: str
    relation_name: str
    apart: str
    extracted: int | None
    values: Mapping[str, float]
    spreads: Mapping[str, float]


def reported_rows(results: Path) -> list[ReportedRow]:
    """All rows of all tables, in the order of ``tables.toml``.

    They are those in the folder ``reported`` of the results, or else those that are shipped. Raises InputError for
    a file that is missing or not of this form.
    """
    folder = reported_dir(results)
    index = _read_index(folder / INDEX)
    rows: list[ReportedRow] = []
    for table in index["tables"]:
        source = f"{index['papers'][table['paper']]['name']}, {_place(table)}"
        rows.extend(_rows_of(folder / str(table["file"]), source))
    return rows


def reported_table(results: Path) -> pd.DataFrame:
    """A row of the table per row of a paper's table and split; fractions, missing where the paper has none."""
    import pandas as pd

    named = ("source", *_NEEDED, *_OPTIONAL)
    return pd.DataFrame(
        [
            {name: getattr(row, name) for name in named}
            | {name: row.values.get(name) for name in METRICS}
            | {f"{name}{_SPREAD}": row.spreads.get(name) for name in METRICS}
            for row in reported_rows(results)
        ]
    )


def _place(table: Mapping[str, Any]) -> str:
    """The table of a paper, or else where its numbers stand, such as the README of its code."""
    return f"Table {table['table']}" if "table" in table else str(table["place"])


def _read_index(path: Path) -> dict[str, Any]:
    try:
        index = tomllib.loads(path.read_text(encoding="utf-8"))
        papers = {name: paper["name"] for name, paper in index["papers"].items()}
        for table in index["tables"]:
            if table["paper"] not in papers or not (table["file"] and _place(table)):
                raise InputError(f"{path}: {table['file']} is of paper {table['paper']!r}, which is not described")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); it lists the papers' tables") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: a paper needs a name, a table its file, paper and number or place ({error})"
        ) from error
    return index


def _rows_of(path: Path, source: str) -> Iterator[ReportedRow]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or ())
            for fields in reader:
                yield _row(f"{path}, line {reader.line_num}", source, fields)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {INDEX} names it") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no CSV file in UTF-8 ({error}); correct it") from error


def _check_columns(path: Path, names: Collection[str]) -> None:
    known = {*_NEEDED, *_OPTIONAL, *METRICS, *(f"{name}{_SPREAD}" for name in METRICS)}
    if missing := [name for name in _NEEDED if name not in names]:
        raise InputError(f"{path}: has no column {missing[0]!r}; it needs {', '.join(_NEEDED)}")
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"{path}: column {unknown[0]!r} is none of {', '.join(sorted(known))}")


def _row(where: str, source: str, fields: Mapping[str, str | None]) -> ReportedRow:
    def text(name: str) -> str:
        return fields.get(name) or ""

    def number(name: str) -> float:
        try:
            return finite(text(name))
        except ValueError:
            raise InputError(f"{where}: {name} is {shown(text(name))}; write a number, or nothing") from None

    def percentages(suffix: str = "") -> dict[str, float]:
        return {name: number(name + suffix) / _PERCENT for name in METRICS if text(name + suffix)}

    return ReportedRow(
        source=source,
        row=text("row"),
        cited=text("cited"),
        system=text("system"),
        setting=text("setting"),
        dataset=text("dataset"),
        split=text("split"),
        relation=text("relation"),
        relation_name=text("relation_name"),
        apart=text("apart"),
        extracted=int(number("extracted")) if text("extracted") else None,
        values=percentages(),
        spreads=percentages(_SPREAD),
    )
