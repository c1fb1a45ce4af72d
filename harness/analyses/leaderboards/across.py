"""One table over several corpora: a row a system, a column a leaderboard, each cell scored as that corpus is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.analyses.leaderboards.boards import Leaderboard
from harness.analyses.leaderboards.columns import records
from harness.types import PredictionSource

if TYPE_CHECKING:
    import pandas as pd

SYSTEM = ("model", "prompt", "constraint", "alignment", "runner")
"""What makes two runs those of one system."""


def across(boards: Sequence[Leaderboard]) -> pd.DataFrame:
    """F1 of every system on every board, from 0 to 1: the columns of ``SYSTEM``, then one by the title of each board.

    Only ranked runs count, so that no cell holds a partial run, labels of a model or another version of the scorer. A
    system with several runs on a board, such as repetitions, has their mean; several imported or combined runs have
    other content each, so each has a row of its own, with the end of its run id beside the name. Corpora are scored by
    their own definitions, so there is no mean over columns. Systems are in the order of how many boards they are on,
    then by name.
    """
    import pandas as pd

    ranked = [board for board in boards if len(board.ranked)]
    cells: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for board in ranked:
        rows = records(board.ranked)
        several = Counter(map(_system, rows))
        for row in rows:
            system = _system(row)
            if several[system] > 1 and row["runner"] == PredictionSource.IMPORTED.value:
                system = (f"{system[0]} ({row['run_id'].rpartition('-')[2]})", *system[1:])
            cells.setdefault(system, {}).setdefault(board.title, []).append(float(row["f1"]))
    order = sorted(cells, key=lambda system: (-len(cells[system]), system))
    titles = [board.title for board in ranked]
    table = [
        {
            **dict(zip(SYSTEM, system, strict=True)),
            **{title: sum(found) / len(found) for title, found in cells[system].items()},
        }
        for system in order
    ]
    return pd.DataFrame(table, columns=[*SYSTEM, *titles])


def _system(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name] or "") for name in SYSTEM)


def shown_across(table: pd.DataFrame) -> list[list[str]]:
    """Heading and rows as text: F1 in percent, empty without a ranked run; columns without any text are left out."""
    names = [name for name in table.columns if name not in SYSTEM or table[name].any()]
    return [names, *([_cell(row[name]) for name in names] for row in records(table))]


def _cell(value: object) -> str:
    return f"{100 * value:.2f}" if isinstance(value, float) else str(value or "")
