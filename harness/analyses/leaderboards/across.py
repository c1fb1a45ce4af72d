"""One table over several corpora: a row a system, a column a leaderboard, each cell scored as that corpus is."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from harness.amounts import amount
from harness.analyses.leaderboards.boards import Leaderboard
from harness.analyses.leaderboards.columns import records
from harness.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_NUMBERED = re.compile(r"(?:sentence )?\d{1,5}")
"""Titles of readers where a file has none: a number. PubMed's ids, which are titles, have more digits."""

SYSTEM = ("model", "prompt", "constraint", "alignment", "runner")
"""What makes two runs those of one system."""


@dataclass(frozen=True)
class NamedSystem:
    """Models that are one system, such as one trained by the same recipe on each corpus.

    ``members`` are pairs of patterns as of file names: on a dataset that fits the first, runs of models that fit the
    second are the system's, and on no other.
    """

    name: str
    members: tuple[tuple[str, str], ...]

    def takes(self, dataset: str, model: str) -> bool:
        return any(fnmatchcase(dataset, data) and fnmatchcase(model, pattern) for data, pattern in self.members)


def named_system(text: str) -> NamedSystem:
    """``NAME=DATASET:MODEL,DATASET:MODEL``; InputError for anything else."""
    name, _, listed = (part.strip() for part in text.partition("="))
    members = []
    for one in listed.split(","):
        dataset, _, model = (part.strip() for part in one.partition(":"))
        members.append((dataset, model))
    if not name or not all(dataset and model for dataset, model in members):
        example = "ATLOP=docred:atlop-docred/*,redocred:atlop-redocred/*"
        raise InputError(f"--system {text}: write NAME=DATASET:MODEL,DATASET:MODEL, such as {example}")
    return NamedSystem(name, tuple(members))


def shared_documents(boards: Sequence[Leaderboard]) -> list[str]:
    """In words, which boards have documents in common: their columns are no measurements on different texts.

    Documents are known by their titles. A title that numbers the documents of its file is that of another document in
    another file.
    """
    ranked = [board for board in boards if len(board.ranked)]
    return [
        f"{one.title} and {other.title} have {amount(common, 'document')} in common, by their titles"
        for one, other in itertools.combinations(ranked, 2)
        if (common := _common(one, other))
    ]


def _common(one: Leaderboard, other: Leaderboard) -> int:
    is_one_file = one.sha256 == other.sha256
    return sum(is_one_file or not _NUMBERED.fullmatch(title) for title in one.titles & other.titles)


def across(boards: Sequence[Leaderboard], systems: Sequence[NamedSystem] = ()) -> pd.DataFrame:
    """F1 of every system on every board, from 0 to 1: the columns of ``SYSTEM``, then one by the title of each board.

    Models of ``systems`` stand under the system's name where it takes them, each trained for its own corpus. InputError
    for one that takes no ranked run, and where two take the same.

    Only ranked runs count, so that no cell holds a partial run, labels of a model or another version of the scorer.
    Repetitions have their mean, as on the boards, and so has one of ``systems``. Other rows of a board that look the
    same were asked for differently, or are imported: each is a row of its own, with the end of its run id beside the
    name. Corpora are scored by their own definitions, so there is no mean over columns. Systems are in the order of how
    many boards they are on, then by name.
    """
    import pandas as pd

    ranked = [board for board in boards if len(board.ranked)]
    cells: dict[tuple[str, ...], dict[str, list[float]]] = {}
    used: set[str] = set()
    for board in ranked:
        rows = []
        for row in records(board.ranked):
            taking = [one.name for one in systems if one.takes(board.dataset, str(row["model"]))]
            if len(taking) > 1:
                raise InputError(f"--system {taking[0]} and {taking[1]} both take {row['model']} on {board.title}")
            used.update(taking)
            if not taking and any(one.name == row["model"] for one in systems):
                raise InputError(f"--system {row['model']}: is the name of a model on {board.title}; choose another")
            rows.append({**row, "model": taking[0], "named": True} if taking else row)
        several = Counter(map(_system, rows))
        for row in rows:
            system = _system(row)
            if several[system] > 1 and not row.get("named"):
                system = (f"{system[0]} ({row['run_id'].rpartition('-')[2]})", *system[1:])
            cells.setdefault(system, {}).setdefault(board.title, []).append(float(row["f1"]))
    if unused := [one.name for one in systems if one.name not in used]:
        there = sorted({f"{board.dataset}:{row['model']}" for board in ranked for row in records(board.ranked)})
        raise InputError(
            f"--system {unused[0]}: no ranked run is of its datasets and models; such are {', '.join(there[:8])}"
            + (f" and {len(there) - 8} more" if len(there) > 8 else "")
            if there
            else f"--system {unused[0]}: there is no ranked run"
        )
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
