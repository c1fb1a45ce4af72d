"""A run's outcome on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.experiment.results import RunResult

NOT_AVAILABLE = "n/a"


def print_result(result: RunResult) -> None:
    """Scores, coverage, tokens, time, cost, and where the run was stored."""
    _print_lines(result_lines(result))


def print_scores(metrics: Mapping[str, Any]) -> None:
    """The official scores alone."""
    _print_lines(score_lines(metrics))


def _print_lines(lines: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name:<{width}}  {value}")


def result_lines(result: RunResult) -> list[tuple[str, str]]:
    manifest, metrics = result.manifest, result.metrics["metrics"]
    documents, usage = manifest["documents"], manifest["usage"]
    lines = [*score_lines(metrics), *step_lines(result.metrics.get("steps", {}))]
    if result.consults_gold:
        lines.append(("consults gold", f"the {result.consults_gold} come from the labels; not ranked"))
    scope = "" if result.is_whole_split else f"; partial: {documents['asked']} of {documents['in_split']} asked"
    lines.append(("coverage", f"{result.coverage:.1%} ({_counts(manifest['statuses'])}{scope})"))
    if manifest["rejects"]:
        lines.append(("rejects", _counts(manifest["rejects"])))
    if manifest["details"]:
        lines.append(("details", _counts(manifest["details"])))
    cached = usage["cached_tokens"]
    share = (
        f", {cached / usage['prompt_tokens']:.0%} from the prefix cache" if cached and usage["prompt_tokens"] else ""
    )
    lines += [
        ("requests", f"{usage['requests']:,}"),
        ("tokens", f"{usage['prompt_tokens']:,} prompt{share}, {usage['completion_tokens']:,} completion"),
        ("time", f"{result.seconds:,.1f} s{_borrowed(result)}"),
        ("cost", NOT_AVAILABLE if result.cost_usd is None else f"${result.cost_usd:.4f}"),
        ("stored in", str(result.folder.path)),
    ]
    return lines


def _borrowed(result: RunResult) -> str:
    count = result.answers_of_other_runs
    return f" ({count:,} answers came from the journal of other runs)" if count else ""


def score_lines(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Precision, recall, F1 and the breakdowns, in percent with two decimals."""

    def percent(name: str) -> str:
        return NOT_AVAILABLE if metrics[name] is None else f"{100 * metrics[name]:.2f}"

    ign = percent("ign_f1") if metrics["ign_f1"] is not None else "n/a: no training file"
    return [
        (
            "precision",
            f"{percent('precision')} ({metrics['correct']:,} of {metrics['predicted']:,} predicted)",
        ),
        ("recall", f"{percent('recall')} ({metrics['correct']:,} of {metrics['gold']:,} gold)"),
        ("F1", percent("f1")),
        ("Ign F1", ign),
        ("intra / inter F1", f"{percent('intra_f1')} / {percent('inter_f1')}"),
        ("macro / pair F1", f"{percent('macro_f1')} / {percent('pair_f1')}"),
    ]


def step_lines(steps: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Precision, recall and F1 of each step, in percent with two decimals."""
    condition = "" if steps.get("given", "none") == "none" else f" given gold {steps['given']}"
    return [
        (
            f"{step}{condition}",
            f"P {100 * one['precision']:.2f}, R {100 * one['recall']:.2f}, F1 {100 * one['f1']:.2f} "
            f"({one['correct']:,} of {one['predicted']:,} found, {one['gold']:,} gold)",
        )
        for step, one in steps.items()
        if step != "given"
    ]


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {name}" for name, count in ordered)
