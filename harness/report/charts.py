"""Which figures a report has: made from its runs and tables, with their captions and the numbers behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.report import figures
from harness.report.analysis import RunAnalysis, precision_recall
from harness.report.figures import Figure
from harness.report.runs import ReportBoard, ReportRun
from harness.report.stored_tables import StoredEffect, StoredTables
from harness.report.tables import confusion_matrix, percent, relation_name

MOST_RUNS_MAPPED = 24
MOST_RELATIONS_MAPPED = 96
MOST_CURVES = 10
MOST_CONFUSED_MAPPED = 15
CURVE_POINTS = 200


def board_figures(board: ReportBoard, anchor: str, analyses: Mapping[int, RunAnalysis]) -> Iterator[Figure]:
    """F1 against tokens and cost of the ranked runs, and precision against recall of the runs with scores."""
    ranked = [run for run in board.runs if not run.reason]
    spent = [(float(run.tokens), 100 * run.f1, str(run.number)) for run in ranked if run.tokens]
    if spent:
        yield _scatter(
            f"{anchor}-tokens", "F1 against tokens", "tokens of the run, prompts and answers", spent, "{:,.0f}"
        )
    priced = [(run.result.cost_usd, 100 * run.f1, str(run.number)) for run in ranked if run.result.cost_usd]
    if priced:
        points = [(float(cost or 0.0), f1, name) for cost, f1, name in priced]
        yield _scatter(f"{anchor}-cost", "F1 against cost", "US dollars, at the list price", points, "{:.4f}")
    examined = [run for run in board.runs if run.number in analyses and run.result.is_scored]
    scored = [run for run in examined if analyses[run.number].scored]
    if scored:
        yield _precision_recall(f"{anchor}-precision-recall", scored, analyses)


def heat_map(board: ReportBoard, anchor: str, relations: Sequence[tuple[str, int]]) -> Figure | None:
    """F1 by run and relation (LMRC, Figure 2); None without any F1 to show."""
    runs, columns = board.runs[:MOST_RUNS_MAPPED], relations[:MOST_RELATIONS_MAPPED]
    per_relation = [run.result.metrics.per_relation for run in runs]
    values = [[100 * scores[name].f1 if name in scores else None for name, _ in columns] for scores in per_relation]
    if not any(value for row in values for value in row):
        return None
    left_out = len(board.runs) - len(runs)
    return Figure(
        name=f"{anchor}-heat-map",
        title="F1 by relation",
        caption="F1 of every relation (columns, the most frequent in the labels first) in every run (rows)"
        + (f"; {left_out} more runs are in the table." if left_out else "."),
        draw=figures.heat_map(
            values, [str(run.number) for run in runs], [relation_name(board, name) for name, _ in columns], "F1 (%)"
        ),
        size=(2.0 + 0.145 * len(columns), 3.0 + 0.2 * len(runs)),
    )


def confusion_map(board: ReportBoard, run: ReportRun, analysis: RunAnalysis) -> Figure | None:
    """Which relations a run takes for which, of those most often concerned; None where there are none.

    Runs beyond those of the heat map have the table of confusions only: figures would take most of the time.
    """
    relations, cells = confusion_matrix(analysis, MOST_CONFUSED_MAPPED)
    if not relations or run.number > MOST_RUNS_MAPPED:
        return None
    names = [relation_name(board, relation) for relation in relations]
    side = 0.32 * len(relations)
    return Figure(
        name=f"run-{run.number}-confusion",
        title="Relations taken for others",
        caption="Rows: relations of the labels that were missed. Columns: relations predicted instead.",
        draw=figures.heat_map(cells, names, names, "entity pairs"),
        size=(3.6 + side, 2.6 + side),
    )


def settings_figures(tables: StoredTables) -> Iterator[Figure]:
    """What theta, the number of examples, and the axes of ablations do to F1."""
    sweeps = [sweep for sweep in tables.sweeps if sweep.points][:MOST_CURVES]
    if sweeps:
        rows = [(sweep.name, f"{theta:g}", percent(f1)) for sweep in sweeps for theta, f1 in sweep.points]
        yield Figure(
            name="theta",
            title="F1 against theta",
            caption="F1 of stored runs against the least cosine at which a relation outside the schema is aligned.",
            draw=figures.theta(sweeps),
            table=[("sweep", "theta", "F1"), *rows],
        )
    curves = dict(list(tables.few_shot.items())[:MOST_CURVES])
    if curves:
        shots = [
            (name, str(point.n), percent(point.mean), percent(point.low), percent(point.high), str(point.seeds))
            for name, points in curves.items()
            for point in points
        ]
        yield Figure(
            name="few-shot",
            title="F1 against the number of examples",
            caption="Mean F1 over seeds; the band reaches from the lowest to the highest seed.",
            draw=figures.bands(curves),
            table=[("of", "examples", "mean F1", "lowest", "highest", "seeds"), *shots],
        )
    for number, ablation in enumerate(tables.ablations, 1):
        changes = [_change(effect) for effect in ablation.effects]
        yield Figure(
            name=f"ablation-{number}",
            title=f"Ablation of {ablation.model}",
            caption=f"What each change does to F1, with its 95% interval, paired over documents ({ablation.ablation}).",
            draw=figures.effects(changes),
            size=(7.2, 1.2 + 0.45 * len(changes)),
            table=[
                ("change", "F1", "from", "to"),
                *((name, f"{value:+.2f}", f"{low:+.2f}", f"{high:+.2f}") for name, value, low, high in changes),
            ],
        )


def _change(effect: StoredEffect) -> tuple[str, float, float, float]:
    """The effect's name, and its difference of F1 with the interval in points."""
    value, low, high = (100 * one for one in (effect.f1_difference, effect.low, effect.high))
    return f"{effect.axis}: {effect.baseline} → {effect.value}", value, low, high


def _scatter(name: str, title: str, unit: str, points: Sequence[tuple[float, float, str]], shown: str) -> Figure:
    return Figure(
        name=name,
        title=title,
        caption=f"Ranked runs by their number: F1 against {unit}.",
        draw=figures.scatter(points, unit),
        table=[("run", unit, "F1"), *((number, shown.format(x), f"{f1:.2f}") for x, f1, number in points)],
    )


def _precision_recall(name: str, runs: Sequence[ReportRun], analyses: Mapping[int, RunAnalysis]) -> Figure:
    curves: dict[str, list[tuple[float, float]]] = {}
    table: list[tuple[str, ...]] = [("run", "threshold", "recall", "precision")]
    for run in runs[:MOST_CURVES]:
        analysis = analyses[run.number]
        points = precision_recall(analysis.scored, analysis.gold)
        # Enough for the eye; the last point, the run itself, stays.
        kept = points[:: max(1, len(points) // CURVE_POINTS)]
        kept = kept if kept[-1] == points[-1] else [*kept, points[-1]]
        curves[f"{run.number} {run.label}"] = [(100 * recall, 100 * precision) for recall, precision, _ in kept]
        recall, precision, score = points[-1]
        table.append((str(run.number), f"{score:.4f}", percent(recall), percent(precision)))
    return Figure(
        name=name,
        title="Precision against recall",
        caption="Predictions taken in the order of their scores; each curve ends where the run stopped predicting.",
        draw=figures.lines(curves, "recall (%)", "precision (%)", from_zero=True),
        table=table,
    )
