"""The tables of the report's pages: what stands in their cells, and what they are sorted by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.label_source import NOT_SCORED
from harness.report.analysis import RunAnalysis
from harness.report.runs import ReportBoard, ReportRun
from harness.runs.results import tokens_in_words
from harness.scoring.mistakes import MISSED_KINDS, NO_RELATION, WRONG_KINDS

if TYPE_CHECKING:
    import pandas as pd

HEADINGS = {
    "precision": "P",
    "recall": "R",
    "f1": "F1",
    "ign_f1": "Ign F1",
    "intra_f1": "intra F1",
    "inter_f1": "inter F1",
    "f1_low": "F1 from",
    "f1_high": "F1 to",
    "f1_spread": "F1 ±",
    "cost_usd": "cost $",
    "run_id": "run id",
}
FRACTIONS = ("precision", "recall", "coverage", "low", "high", "f1", "spread")
"""Last words of the names of columns whose numbers are fractions, shown in percent."""
HEAT_STEPS = 10
MOST_CONFUSED = 200
WIDE_TEXT = 20
"""Letters from which on a cell is kept from being squeezed."""


@dataclass(frozen=True)
class Column:
    heading: str
    number: bool = False


@dataclass(frozen=True)
class Cell:
    """What is shown, what it is sorted by (None: by what is shown), the page it links to, and its style classes."""

    text: str
    sort: float | str | None = None
    page: str = ""
    classes: str = ""


@dataclass(frozen=True)
class PageTable:
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


def page_of(run: ReportRun) -> str:
    """The file of a run's page."""
    return f"run-{run.number}.html"


def percent(fraction: float, digits: int = 2) -> str:
    return f"{100 * fraction:.{digits}f}"


def number_cell(value: float, text: str = "", classes: str = "") -> Cell:
    return Cell(text or f"{value:,}", value, classes=f"number {classes}".strip())


def board_table(frame: pd.DataFrame, runs: Sequence[ReportRun], caption: str) -> PageTable | None:
    """A table of the leaderboard with its runs' numbers; None without rows. Columns without any value are left out."""
    if not len(frame):
        return None
    by_id = {run.run_id: run for run in runs}
    columns, rows = _filled(frame)
    numbered = []
    for run_id, cells in zip(frame["run_id"], rows, strict=True):
        run = by_id.get(run_id)
        first = Cell(str(run.number), run.number, page_of(run), "number") if run else Cell("", "")
        numbered.append([first, *cells])
    return PageTable(caption, [Column("run", number=True), *columns], numbered)


def reported_table(frame: pd.DataFrame, caption: str) -> PageTable | None:
    """Papers' rows: scores and their source, and why a row stands apart; None without rows."""
    if not len(frame):
        return None
    return PageTable(caption, *_filled(frame.rename(columns={"model": "system", "prompt": "setting"})))


def _filled(frame: pd.DataFrame) -> tuple[list[Column], list[list[Cell]]]:
    """The columns of a table that have a value in any row, and the cells of its rows."""
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    names = [name for name in frame.columns if frame[name].notna().any()]
    numeric = {name: is_numeric_dtype(frame[name].infer_objects()) for name in names}
    rows = [
        [_cell(name, None if _is_na(pd, row[name]) else row[name], numeric[name]) for name in names]
        for row in frame.astype(object).to_dict("records")
    ]
    return [Column(_heading(name), numeric[name]) for name in names], rows


def relation_table(board: ReportBoard, relations: Sequence[tuple[str, int]]) -> PageTable:
    """F1 by relation and run; relations with their gold triplets, the most frequent first."""
    highest = max((_f1(run, relation) or 0.0 for run in board.runs for relation, _ in relations), default=0.0)
    rows = []
    for relation, gold in relations:
        cells = [Cell(relation_name(board, relation)), number_cell(gold)]
        for run in board.runs:
            f1 = _f1(run, relation)
            step = 0 if not f1 else max(1, round(HEAT_STEPS * f1 / highest))
            cells.append(Cell("", "") if f1 is None else number_cell(f1, percent(f1, 1), f"h{step}"))
        rows.append(cells)
    columns = [Column("relation"), Column("gold", number=True)]
    columns += [Column(f"run {run.number}", number=True) for run in board.runs]
    told = f" ({board.labels})" if board.labels else ""
    return PageTable(f"F1 of every relation{told}, the most frequent in the labels first", columns, rows)


def relations_by_frequency(board: ReportBoard) -> list[tuple[str, int]]:
    """Relations of the labels with their gold triplets, the most frequent first (LMRC, Figure 2).

    The counts are those of the runs over the most documents, as a partial run knows only its own.
    """
    gold: Counter[str] = Counter()
    for run in board.runs:
        for relation, scores in run.result.metrics.per_relation.items():
            gold[relation] = max(gold[relation], scores.gold)
    return sorted(((relation, count) for relation, count in gold.items() if count), key=lambda one: (-one[1], one[0]))


def mistake_table(analyses: Sequence[tuple[ReportRun, RunAnalysis]]) -> PageTable:
    """A row per run: correct, each kind of wrong predictions and of missed triplets."""
    columns = [Column("run", number=True), Column("correct", number=True)]
    columns += [Column(f"wrong: {_plain(kind)}", number=True) for kind in WRONG_KINDS]
    columns += [Column(f"missed: {_plain(kind)}", number=True) for kind in MISSED_KINDS]
    rows = []
    for run, analysis in analyses:
        cells = [Cell(str(run.number), run.number, page_of(run), "number")]
        cells.append(number_cell(analysis.gold - analysis.missed.total()))
        cells += [number_cell(analysis.wrong[kind]) for kind in WRONG_KINDS]
        cells += [number_cell(analysis.missed[kind]) for kind in MISSED_KINDS]
        rows.append(cells)
    return PageTable("How many wrong predictions and missed gold triplets are of which kind", columns, rows)


def run_mistakes(analysis: RunAnalysis) -> PageTable:
    """The kinds of one run with their share of its wrong predictions and of its missed triplets."""
    rows = []
    sides: tuple[tuple[str, Mapping[Any, str], Counter[str]], ...] = (
        ("wrong prediction", WRONG_KINDS, analysis.wrong),
        ("missed triplet", MISSED_KINDS, analysis.missed),
    )
    for side, kinds, counts in sides:
        for kind in kinds:
            share = counts[kind] / max(1, counts.total())
            rows.append(
                [Cell(_plain(kind)), Cell(side), number_cell(counts[kind]), number_cell(share, f"{percent(share, 1)}%")]
            )
    columns = [Column("kind"), Column("of"), Column("count", number=True), Column("share", number=True)]
    return PageTable(
        f"{analysis.wrong.total():,} wrong predictions and {analysis.missed.total():,} missed triplets", columns, rows
    )


def confusion_table(board: ReportBoard, analysis: RunAnalysis) -> PageTable | None:
    """Gold relation, relation predicted instead, and how often, the most frequent first; None without any."""
    confused = _between_relations(analysis)
    rows = [
        [Cell(relation_name(board, gold)), Cell(relation_name(board, predicted)), number_cell(count)]
        for (gold, predicted), count in _most_common(confused, MOST_CONFUSED)
    ]
    if not rows:
        return None
    cut = f" (the first {MOST_CONFUSED} of {len(confused):,})" if len(confused) > len(rows) else ""
    columns = [Column("missed in the labels"), Column("predicted wrongly"), Column("times", number=True)]
    return PageTable(f"Relations missed and predicted for the same pair{cut}", columns, rows)


def confusion_matrix(analysis: RunAnalysis, size: int) -> tuple[list[str], list[list[float | None]]]:
    """The relations most often taken for others, and how often which [gold][predicted]; None for never."""
    confused = _between_relations(analysis)
    totals: Counter[str] = Counter()
    for (gold, predicted), count in confused.items():
        totals[gold] += count
        totals[predicted] += count
    relations = [relation for relation, _ in _most_common(totals, size)]
    cells: list[list[float | None]] = [
        [float(confused[gold, predicted]) or None for predicted in relations] for gold in relations
    ]
    return relations, cells


def score_table(run: ReportRun) -> PageTable:
    """The official scores of a run, and what to say of its labels if no human wrote them."""
    silver = run.result.label_source.silver
    told = NOT_SCORED if not run.result.is_scored else f"Official scores ({silver})" if silver else "Official scores"
    metrics = run.result.metrics.official
    rows = [
        [Cell(_plain(name)), number_cell(value, percent(value) if isinstance(value, float) else f"{value:,}")]
        for name, value in metrics.as_json().items()
        if value is not None
    ]
    if metrics.ign_f1 is None and run.result.is_scored:
        rows.append([Cell("ign f1"), Cell("n/a: no training file", classes="number")])
    return PageTable(f"{told}: fractions in percent, and counts", [Column("score"), Column("value", True)], rows)


def settings_table(run: ReportRun) -> PageTable:
    """What the run was: model, prompt, options, sampling, statuses, usage, times."""
    manifest, result = run.result.manifest, run.result
    question = manifest.question
    statuses = ", ".join(f"{count:,} {status}" for status, count in manifest.statuses.items())
    adjusted = ", ".join(f"{count:,} {change}" for change, count in manifest.adjusted.items())
    settings = {
        "documents": f"{manifest.documents.asked:,} of {manifest.documents.in_split:,}",
        "statuses": statuses,
        "coverage": f"{percent(result.coverage, 1)}%",
        "requests": f"{manifest.usage.requests:,}",
        "tokens": tokens_in_words(manifest.usage),
        "refused by the server": adjusted,
        "seconds": f"{result.seconds:,.1f}",
        "cost $": "n/a: no prices" if result.cost_usd is None else f"{result.cost_usd:.4f}",
        "runner": manifest.runner,
        "constraint": " ".join(str(value) for value in question.constraint.as_json().values() if value),
        **{f"prompt: {name}": _shown(value) for name, value in question.prompt.as_json().items()},
        **{f"sampling: {name}": _shown(value) for name, value in question.sampling.items()},
        "git": _shown(manifest.git),
    }
    rows = [[Cell(name), Cell(value)] for name, value in settings.items() if value]
    return PageTable("What was run", [Column("setting"), Column("value")], rows)


def loss_table(run: ReportRun) -> PageTable | None:
    """What became no prediction, by reason, and what else was counted; None if there is nothing."""
    manifest = run.result.manifest
    rows = [[Cell("rejected"), Cell(_plain(name)), number_cell(count)] for name, count in manifest.rejects.items()]
    rows += [[Cell("counted"), Cell(_plain(name)), number_cell(count)] for name, count in manifest.details.items()]
    columns = [Column("what"), Column("reason"), Column("times", number=True)]
    return PageTable("Pieces of answers that became no prediction, and other counts", columns, rows) if rows else None


def run_relations(board: ReportBoard, run: ReportRun) -> PageTable:
    """Scores of a run by relation, the most frequent in the labels first."""
    rows = []
    per_relation = run.result.metrics.per_relation
    for relation, scores in sorted(per_relation.items(), key=lambda one: (-one[1].gold, one[0])):
        rates = [number_cell(rate, percent(rate, 1)) for rate in (scores.precision, scores.recall, scores.f1)]
        counts = [number_cell(count) for count in (scores.gold, scores.predicted, scores.correct)]
        rows.append([Cell(relation_name(board, relation)), Cell(relation), *rates, *counts])
    columns = [Column("relation"), Column("id")]
    columns += [Column(name, number=True) for name in ("P", "R", "F1", "gold", "predicted", "correct")]
    return PageTable("Scores by relation", columns, rows)


def relation_name(board: ReportBoard, relation: str) -> str:
    """Its name where the schema is at hand, else its id; a word for no relation."""
    return "(none)" if relation == NO_RELATION else board.relation_names.get(relation, relation)


def _between_relations(analysis: RunAnalysis) -> Counter[tuple[str, str]]:
    """The confusions without those in which a pair had no relation on one side: they are missed or invented pairs."""
    return Counter({pair: count for pair, count in analysis.confused.items() if NO_RELATION not in pair})


def _f1(run: ReportRun, relation: str) -> float | None:
    scores = run.result.metrics.per_relation.get(relation)
    return None if scores is None else scores.f1


def _most_common(counts: Counter[Any], most: int) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:most]


def _heading(name: str) -> str:
    return HEADINGS.get(name, _plain(name))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _is_na(pandas: Any, value: object) -> bool:
    """Whether a table's cell is empty; lists and tuples never are."""
    return not isinstance(value, list | tuple) and bool(pandas.isna(value))


def _cell(name: str, value: object, is_number: bool) -> Cell:
    if value is None:
        return Cell("", "", classes="number" if is_number else "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = _shown(value)
        return Cell(text, classes="id" if name == "run_id" else "text" if len(text) > WIDE_TEXT else "")
    if isinstance(value, float) and name.split("_")[-1] in FRACTIONS:
        return number_cell(value, percent(value), "main" if name == "f1" else "")
    if name == "cost_usd":
        return number_cell(value, f"{value:.4f}")
    return number_cell(value, f"{value:,.0f}" if abs(value) >= 1 else f"{value:.3g}")


def _shown(value: object) -> str:
    """A setting in words: mappings and lists as ``key=value`` and values, comma-separated."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_shown(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return str(value)
