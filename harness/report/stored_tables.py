"""Tables that stand beside the runs in a results folder: sweeps of theta, few-shot scores, ablations.

CSV files are known by their columns, wherever they lie under ``results`` outside the folders of runs. A sweep has
``theta`` and ``f1``, a fraction, as ``harness sweep theta --out FILE.csv`` writes them; a few-shot table has ``model``,
``n`` (labelled documents or examples), ``seed`` and ``f1``, in percent.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from harness.analyses.ablation import FOLDER as ABLATIONS
from harness.errors import InputError
from harness.json_files import MAX_STORED_CHARACTERS, finite, whole_value
from harness.records.base import Checked, Number, parsed
from harness.report.runs import ReportRun
from harness.runs.config import OPTIONS

THETA_COLUMNS = {"theta", "f1"}
FEW_SHOT_COLUMNS = {"model", "n", "seed", "f1"}
ABLATE_AGAIN = "run `harness ablate` again"
_APART = {"shots", "shots_from", "seed", *(name for name, option in OPTIONS.items() if not option.in_question)}
"""Options in which runs of one few-shot curve may differ."""
_WITHOUT_TABLES = {"runs", "logs", "report"}


class ThetaSweep(NamedTuple):
    """F1 at every theta; ``name`` is the file's path under the results folder, without its ending."""

    name: str
    points: Sequence[tuple[float, float]]


class FewShotPoint(NamedTuple):
    """F1 with ``n`` examples: mean, lowest and highest over so many seeds."""

    n: int
    mean: float
    low: float
    high: float
    seeds: int


class StoredEffect(Checked):
    """What a value of an axis does to F1 (0 to 1), as ``Ablation.effects_table`` names it."""

    axis: str
    baseline: str
    value: str
    f1_difference: Number
    low: Number
    high: Number


class StoredAblation(Checked):
    """What is read of a stored ablation: its name, its model, its effects."""

    ablation: str
    model: str
    effects: list[StoredEffect]


@dataclass(frozen=True)
class StoredTables:
    """Everything that was found; few-shot curves by the name of what was given examples."""

    sweeps: Sequence[ThetaSweep]
    few_shot: Mapping[str, Sequence[FewShotPoint]]
    ablations: Sequence[StoredAblation]


def read_stored_tables(results: Path, runs: Iterable[ReportRun]) -> StoredTables:
    """Read the tables, and the runs that differ in their number of examples (``--shots``) and seed only.

    Raises InputError for a table with such columns whose values cannot be read, naming file and line.
    """
    sweeps: list[ThetaSweep] = []
    scores: defaultdict[str, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for path in _csv_files(results):
        columns, rows = _read(path)
        if columns >= THETA_COLUMNS:
            sweeps.append(ThetaSweep(_name(path, results), [_numbers(path, row, "theta", "f1") for row in rows]))
        elif columns >= FEW_SHOT_COLUMNS:
            for row in rows:
                n, f1 = _numbers(path, row, "n", "f1")
                scores[row[1]["model"]][int(n)].append(f1 / 100)
    for name, by_shots in _few_shot_runs(runs):
        for shots, f1s in by_shots.items():
            scores[name][shots] += f1s
    curves = {
        name: [FewShotPoint(n, fmean(f1s), min(f1s), max(f1s), len(f1s)) for n, f1s in sorted(by_n.items())]
        for name, by_n in scores.items()
    }
    return StoredTables(sweeps, curves, list(_ablations(results)))


def _csv_files(results: Path) -> Iterator[Path]:
    for path in sorted(results.rglob("*.csv")):
        if path.relative_to(results).parts[0] not in (*_WITHOUT_TABLES, ABLATIONS):
            yield path


def _read(path: Path) -> tuple[set[str], list[tuple[int, dict[str, str]]]]:
    """The columns and the rows with their line numbers."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            return set(reader.fieldnames or ()), [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}): correct it, or move it elsewhere") from error


def _numbers(path: Path, row: tuple[int, Mapping[str, str]], first: str, second: str) -> tuple[float, float]:
    line, values = row
    try:
        return finite(values[first]), finite(values[second])
    except (TypeError, ValueError):
        raise InputError(
            f"{path}, line {line}: {first} {values[first]!r} and {second} {values[second]!r} must be numbers"
        ) from None


def _name(path: Path, results: Path) -> str:
    return path.relative_to(results).with_suffix("").as_posix()


def _few_shot_runs(runs: Iterable[ReportRun]) -> Iterator[tuple[str, Mapping[int, Sequence[float]]]]:
    """F1 by number of shots of the ranked runs that share all but shots and seed, where there are several numbers."""
    groups: defaultdict[str, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    names: dict[str, str] = {}
    for run in runs:
        config = run.result.manifest.config
        if not run.reason and "shots" in config.model_fields_set:
            shared = {name: value for name, value in config.as_json().items() if name not in _APART}
            key = json.dumps(shared, sort_keys=True)
            groups[key][config.shots].append(run.f1)
            names.setdefault(key, run.label)
    for key, by_shots in groups.items():
        if len(by_shots) > 1:
            yield names[key], by_shots


def _ablations(results: Path) -> Iterator[StoredAblation]:
    for path in sorted((results / ABLATIONS).glob("*/ablation.json")):
        content: Any = whole_value(path, "the ablation", remedy=ABLATE_AGAIN, most=MAX_STORED_CHARACTERS)
        ablation = parsed(StoredAblation, content, str(path), ABLATE_AGAIN)
        if ablation.effects:
            yield ablation
