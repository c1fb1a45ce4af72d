"""Leaderboards as files: CSV, Parquet and JSON hold values, Markdown and LaTeX what people read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness import strict_json
from harness.analyses.leaderboards.boards import Leaderboard
from harness.analyses.leaderboards.columns import NUMBERS, records, shown
from harness.errors import InputError, StorageError

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["table", "markdown", "csv", "parquet", "json", "latex"]
_SUFFIXES: dict[str, Format] = {
    ".md": "markdown",
    ".csv": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".tex": "latex",
}
ACROSS = "F1 over several corpora, each by its own definition"
_IDENTIFIES = ("dataset", "split")
_TELLS_APART = ("reason", "kind")


def format_of(out: Path | None, named: Format | None) -> Format:
    """The format that is named, else that of the file's suffix, else a table for the terminal.

    Raises InputError for a suffix that says nothing, and for formats that do not fit what they are written to.
    """
    if out is None:
        if named == "parquet":
            raise InputError("--format parquet is no text: name a file with --out FILE.parquet")
        return named or "table"
    chosen = named or _SUFFIXES.get(out.suffix)
    if chosen is None or chosen == "table":
        raise InputError(f"--out {out}: name a file that ends in {', '.join(_SUFFIXES)}, or give --format")
    return chosen


def sections(
    boards: Sequence[Leaderboard], columns: Sequence[str] | None, *, reported: bool
) -> Iterator[tuple[str, list[list[str]]]]:
    """What people read, as headings and tables of text: of each board the ranked rows, then those that stand apart."""
    for board in boards:
        together = board.beside_reported() if reported else board.ranked
        if len(together):
            yield f"{board.title}; {board.note}" if board.note else board.title, shown(together, columns)
        if len(apart := board.not_ranked()):
            yield f"{board.title}: not ranked", shown(apart, columns and ["reason", *columns])


def as_text(boards: Sequence[Leaderboard], kind: Format, columns: Sequence[str] | None, *, reported: bool) -> str:
    """All boards in one text, of any format but ``table`` and ``parquet``."""
    if kind == "json":
        return strict_json.dumps([_chosen_json(board, columns) for board in boards], indent=2) + "\n"
    if kind == "csv":
        return all_rows(boards, columns).to_csv(index=False, lineterminator="\n")
    write = _latex if kind == "latex" else _markdown
    return "\n".join(write(heading, rows) for heading, rows in sections(boards, columns, reported=reported))


def table_as_text(table: pd.DataFrame, title: str, shown_rows: list[list[str]], kind: Format) -> str:
    """A table with columns of its own as a text: values in JSON and CSV, ``shown_rows`` in what people read."""
    if kind == "json":
        return strict_json.dumps(records(table), indent=2) + "\n"
    if kind == "csv":
        return table.to_csv(index=False, lineterminator="\n")
    return (_latex if kind == "latex" else _markdown)(title, shown_rows)


def write_table(table: pd.DataFrame, title: str, shown_rows: list[list[str]], out: Path, kind: Format) -> None:
    """As ``write_file``, of a table with columns of its own."""
    with _writing(out):
        if kind == "parquet":
            _write_parquet(table, out, [name for name in table.columns if table[name].dtype == object])
        else:
            out.write_text(table_as_text(table, title, shown_rows, kind), encoding="utf-8")


def all_rows(boards: Sequence[Leaderboard], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The rows of all boards in one table, its values plain; see ``Leaderboard.as_table``."""
    import pandas as pd

    table = pd.concat([board.as_table() for board in boards], ignore_index=True)
    if columns is None:
        return table
    return table[[*_IDENTIFIES, *(name for name in columns if name not in _IDENTIFIES), *_TELLS_APART]]


def write_file(
    boards: Sequence[Leaderboard], out: Path, kind: Format, columns: Sequence[str] | None, *, reported: bool
) -> None:
    """Write one file; raises StorageError if it cannot be written, InputError where Parquet's package is missing."""
    with _writing(out):
        if kind == "parquet":
            rows = all_rows(boards, columns)
            _write_parquet(rows, out, [name for name in rows.columns if name not in NUMBERS])
        else:
            out.write_text(as_text(boards, kind, columns, reported=reported), encoding="utf-8")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"{out}: cannot be written ({reason}); choose another file") from error


def _write_parquet(table: pd.DataFrame, out: Path, texts: Sequence[str]) -> None:
    try:
        import pyarrow  # noqa: F401  (pandas' own message names no extra of ours)
    except ImportError:
        raise InputError("Parquet needs pyarrow: pip install 'docre-harness[parquet]', or write .csv") from None
    # A column of text without any text is text still, so that all files have one schema.
    table.astype(dict.fromkeys(texts, "string")).to_parquet(out, index=False)


def _chosen_json(board: Leaderboard, columns: Sequence[str] | None) -> dict[str, object]:
    content = board.as_json()
    if columns is None:
        return content
    kept = {*columns, "reason"}
    parts = ("ranked", "unranked", "reported")
    chosen = {part: [{key: row[key] for key in row if key in kept} for row in content[part]] for part in parts}
    return {**content, **chosen}


def _markdown(heading: str, rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([f"## {heading}", "", line(rows[0]), line(["---"] * len(rows[0])), *map(line, rows[1:]), ""])


def _latex(heading: str, rows: list[list[str]]) -> str:
    """A ``table`` that needs the package booktabs."""
    import pandas as pd

    table = pd.DataFrame(rows[1:], columns=rows[0])
    caption = heading.translate({ord(mark): f"\\{mark}" for mark in "_&%#$"})
    return table.to_latex(index=False, escape=True, caption=caption)
