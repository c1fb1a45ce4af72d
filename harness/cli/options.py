"""Options that several commands share, and how `key=value` pairs are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from harness.errors import InputError
from harness.runs.config import OPTIONS


def declared(name: str, **more: Any) -> Any:
    """An option of a run for Typer, with the text, flags and bounds that ``RunConfig`` declares."""
    option = OPTIONS[name]
    metavar = "KEY=VALUE" if option.flags[:1] and not option.flags[0].startswith("--") else None
    return typer.Option(*option.flags, help=option.text, min=option.least, max=option.most, metavar=metavar, **more)


Display = Literal["rich", "plain", "none"]
DisplayOption = Annotated[Display | None, typer.Option(help="Default: rich on a terminal, else plain.")]
FailOnErrorOption = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="Share of documents without a full answer above which to exit with 1."),
]
MaxTimeOption = Annotated[
    float | None,
    typer.Option(min=0.0, help="Seconds after which nothing more is sent; requests in flight are awaited."),
]
MaxTokensTotalOption = Annotated[int | None, typer.Option(min=1, help="Tokens for the whole run.")]
MaxCostOption = Annotated[float | None, typer.Option(min=0.0, help="US dollars for the whole run.")]
ResultsOption = Annotated[Path, declared("results", envvar="HARNESS_RESULTS_DIR")]
TrackerName = Literal["mlflow", "wandb"]
TrackOption = Annotated[
    TrackerName | None,
    typer.Option(help="Hand the finished run to this tracker, too (see `harness track`)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
CandidatesOption = Annotated[str | None, declared("candidates")]
RefineOption = Annotated[str | None, declared("refine")]
RefineOptionsOption = Annotated[list[str] | None, declared("refine_options")]
PromptOptionsOption = Annotated[list[str] | None, declared("prompt_options")]
ModelOptionsOption = Annotated[list[str] | None, declared("model_options")]
RelationTextsOption = Annotated[str | None, declared("relation_texts")]
ShotsOption = Annotated[int, declared("shots")]
ShotsFromOption = Annotated[str | None, declared("shots_from")]
AlignOption = Annotated[str | None, declared("align")]
ThetaOption = Annotated[float | None, declared("theta")]
AlignOverOption = Annotated[Literal["names", "descriptions"] | None, declared("align_over")]
DataDirOption = Annotated[Path | None, declared("data_dir")]
RunDatasetOption = Annotated[
    str | None,
    typer.Option("--dataset", help="The file or corpus that the run's data is in now (default: looked for)."),
]
RunDataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="The folder that the run's data is in now (default: looked for).")
]


def key_values(pairs: list[str] | None, option: str) -> dict[str, str]:
    """``["a=1", "b=2"]`` as a dictionary; raises InputError for anything else."""
    values: dict[str, str] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InputError(f"{option} {pair!r}: write it as {option} key=value")
        values[key] = value
    return values
