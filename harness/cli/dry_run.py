"""`harness run --dry-run`: what a run would take, and the question before an expensive one."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import typer

from harness import strict_json
from harness.cli.options import Display
from harness.runs.config import RunConfig

if TYPE_CHECKING:
    from harness.runs.estimate import Estimate
    from harness.runs.plan import Experiment

_COUNTED_BY = {
    "tokenizer": "by the model's tokenizer",
    "journal": "by what the journal's answers took",
    "characters": "assumed from characters: no tokenizer is at hand",
}


def show_estimate(
    config: RunConfig, rate: float | None, display: Display | None, as_json: bool, in_batches: bool = False
) -> None:
    """Print what a run would take; a model that cannot run here can be counted all the same."""
    from harness.cli.summary import print_lines
    from harness.runs.estimate import estimate_encoder
    from harness.runs.plan import prepare
    from harness.runs.sources.encoder import is_encoder, prepare_encoder

    if is_encoder(config):
        found = estimate_encoder(prepare_encoder(config, model_needed=False), rate)
    else:
        found = estimate(prepare(config, model_needed=False), rate, display, as_json, in_batches)
    if as_json:
        typer.echo(strict_json.dumps(found.as_json()))
    else:
        print_lines(estimate_lines(found))


def estimate(
    experiment: Experiment, rate: float | None, display: Display | None, as_json: bool, in_batches: bool = False
) -> Estimate:
    """What an experiment would take, with a progress bar over its documents."""
    from harness.cli.display import chosen_display
    from harness.cli.transfers import counting_progress
    from harness.runs.estimate import estimate_run

    kind = chosen_display(display, as_json)
    with counting_progress("documents rendered", experiment.document_count, kind) as advance:
        return asyncio.run(estimate_run(experiment, rate, advance, in_batches))


def confirm(
    experiment: Experiment, most_usd: float, display: Display | None, as_json: bool, in_batches: bool = False
) -> None:
    """Ask whether to run what may cost more than ``most_usd``; raises InputError where nobody can answer."""
    from harness.errors import InputError

    found = estimate(experiment, None, display, as_json, in_batches)
    if found.most_cost_usd is None:
        raise InputError(f"--confirm-above needs prices, and {experiment.spec.name} has none: add --yes to run it")
    if found.most_cost_usd <= most_usd:
        return
    told = f"{found.to_send:,} requests, about ${found.cost_usd:,.2f} and at most ${found.most_cost_usd:,.2f}"
    if not sys.stdin.isatty():
        raise InputError(f"{told}: more than --confirm-above {most_usd:g}; add --yes to run it")
    if not typer.confirm(f"{told}. Run it?", err=True):
        raise InputError("not run")


def estimate_lines(found: Estimate) -> list[tuple[str, str]]:
    """The estimate in words, a line for each number."""
    from harness.engine.waiting import span

    lines = [("run", found.run_id), ("documents", f"{found.documents:,}")]
    for name, step in found.steps.items():
        bound = f"{step.least:,} requests"
        if step.by_labels > step.least:
            bound = f"{step.by_labels:,} requests if the answers are as the labels, at least {step.least:,}"
        stored = f"; {step.stored:,} are in the journal" if step.stored else ""
        lines.append((f"step {name}", f"{bound}{stored}"))
    if found.in_one_call:
        lines.append(
            ("samples", f"{found.in_one_call:,} of the requests are sent together with another, their prompt once")
        )
    if found.steps:
        error = f"{_COUNTED_BY[found.counted_by]}, error {found.token_error:.0%}"
        lines += [
            ("prompt tokens", f"about {found.prompt_tokens:,} ({error})"),
            ("answer tokens", f"about {found.completion_tokens:,}, at most {found.most_completion_tokens:,}"),
        ]
        cost = "n/a: the model has no price"
        if found.cost_usd is not None:
            cost = f"about ${found.cost_usd:,.4f}, at most ${found.most_cost_usd:,.4f}"
            cost += "" if found.price_share == 1 else f", at {found.price_share:g} times the price, in batches"
        lines.append(("cost", cost))
    time = "n/a: no run of the model here tells how fast it is; give --rate"
    if found.seconds is not None:
        time = f"about {span(found.seconds)} at {found.rate:.3g}/s ({found.rate_from})"
    return [*lines, ("time", time)]
