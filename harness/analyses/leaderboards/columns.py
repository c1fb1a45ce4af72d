"""The columns of a leaderboard: their names, their headings, and how a cell is written for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "rank",
    "model",
    "prompt",
    "constraint",
    "alignment",
    "precision",
    "recall",
    "f1",
    "f1_spread",
    "f1_low",
    "f1_high",
    "p_bootstrap",
    "p_randomisation",
    "ign_f1",
    "intra_f1",
    "inter_f1",
    "coverage",
    "requests",
    "tokens",
    "seconds",
    "per_hour",
    "cost_usd",
    "runs",
    "runner",
    "run_id",
)
"""What is known of a run; fractions are 0 to 1. The p-values are those against the row above.

``runs`` counts the repetitions that a row is the mean of, where there are several; ``f1_spread`` is the sample
deviation of their F1, or that which a paper gives, and ``run_id`` has all of their ids. ``per_hour`` are documents an
hour; not available where other runs had asked some of the questions.
"""

TERMINAL_COLUMNS = tuple(name for name in COLUMNS if name not in ("alignment", "per_hour", "runner", "run_id"))
"""The columns that fit a terminal; files and ``--columns`` have the others."""

REPORTED_COLUMNS = ("source",)
"""What only a paper's row has: the table it is from."""

NUMBERS: Mapping[str, str] = {
    **dict.fromkeys(("rank", "requests", "tokens", "per_hour", "runs"), "Int64"),
    **dict.fromkeys(("precision", "recall", "f1", "f1_low", "f1_high", "p_bootstrap", "p_randomisation"), "float64"),
    **dict.fromkeys(("ign_f1", "intra_f1", "inter_f1", "coverage", "seconds"), "float64"),
    **dict.fromkeys(("cost_usd", "f1_spread"), "float64"),
}
"""The types of the columns that hold numbers; the others hold text."""

NO_TRAINING_FILE = "n/a: no training file"
REPORTED, MEASURED = "reported", "measured"
_PERCENTAGES = ("precision", "recall", "f1", "ign_f1", "intra_f1", "inter_f1", "coverage")
_P_VALUES = ("p_bootstrap", "p_randomisation")
_HEADINGS = {
    "precision": "P",
    "recall": "R",
    "f1": "F1",
    "f1_low": "95% interval",
    "p_bootstrap": "p boot.",
    "p_randomisation": "p rand.",
    "ign_f1": "Ign F1",
    "intra_f1": "intra",
    "inter_f1": "inter",
    "coverage": "cov.",
    "per_hour": "docs/h",
    "cost_usd": "cost $",
}
_SHORT = {"interval": ("f1_low", "f1_high"), "p": _P_VALUES}


def chosen_columns(names: str) -> tuple[str, ...]:
    """The columns that ``--columns`` names, separated by commas; ``interval`` and ``p`` stand for two each.

    Raises InputError for a name that is not a column.
    """
    chosen: list[str] = []
    for name in filter(None, (one.strip() for one in names.split(","))):
        if name not in (*COLUMNS, *REPORTED_COLUMNS, *_SHORT):
            raise InputError(
                f"--columns: no column {name!r}; there are {', '.join((*COLUMNS, *REPORTED_COLUMNS, *_SHORT))}"
            )
        chosen.extend(_SHORT.get(name, (name,)))
    if not chosen:
        raise InputError(f"--columns is empty: name some of {', '.join(COLUMNS)}")
    return tuple(dict.fromkeys(chosen))


def shown(table: pd.DataFrame, columns: Sequence[str] | None = None) -> list[list[str]]:
    """Heading and rows as text, of all columns or some: fractions in percent, the bounds of F1 in one column.

    Columns without any value are left out, but for those that then say why there is none: rank and Ign F1.
    """
    speaking = {"rank", *(["ign_f1"] if table["f1"].notna().any() else [])}
    names = [name for name in columns or table.columns if name in table.columns]
    names = [name for name in names if table[name].notna().any() or name in speaking]
    for first, second in (("f1_low", "f1_high"), ("f1", "f1_spread")):
        if first in names and second in names:
            names.remove(second)
    rows = [[_HEADINGS.get(name, name) for name in names]]
    rows += [[_cell(name, record) for name in names] for record in records(table)]
    return rows


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain values, None for what is not available."""
    import pandas as pd

    rows: list[dict[Any, Any]] = table.astype(object).to_dict("records")
    return [{key: None if pd.isna(value) else value for key, value in row.items()} for row in rows]


def frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A table with exactly these columns; what a row lacks is missing."""
    import pandas as pd

    table = pd.DataFrame([{name: row.get(name) for name in columns} for row in rows], columns=list(columns))
    return table.astype({name: NUMBERS[name] for name in columns if name in NUMBERS})


def _cell(column: str, row: Mapping[str, Any]) -> str:
    value = row[column]
    if value is None:
        return _absent(column, row)
    if column == "f1_low" and "f1_high" in row:
        return f"{_percent(value)} to {_percent(row['f1_high'])}"
    if column == "f1" and row.get("f1_spread") is not None:
        return f"{_percent(value)} ± {_percent(row['f1_spread'])}"
    if not isinstance(value, int | float):
        return str(value)
    if column in (*_PERCENTAGES, "f1_low", "f1_high", "f1_spread"):
        return _percent(value)
    if column in _P_VALUES:
        return f"{value:.3f}"
    return f"{value:.4f}" if column == "cost_usd" else f"{value:,.0f}"


def _absent(column: str, row: Mapping[str, Any]) -> str:
    if row.get("source") is not None:
        return REPORTED if column == "rank" else ""
    if column == "ign_f1" and row.get("f1", 0.0) is not None:
        return NO_TRAINING_FILE
    if column == "source":
        return MEASURED
    return ""


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"
