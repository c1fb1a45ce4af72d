"""Options that several commands share, and how `key=value` pairs are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.errors import InputError

Display = Literal["rich", "plain", "none"]
DisplayOption = Annotated[Display | None, typer.Option(help="Default: rich on a terminal, else plain.")]
FailOnErrorOption = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="Share of documents without a full answer above which to exit with 1."),
]
MaxTimeOption = Annotated[float | None, typer.Option(min=0.0, help="Seconds for this command.")]
MaxTokensTotalOption = Annotated[int | None, typer.Option(min=1, help="Tokens for the whole run.")]
MaxCostOption = Annotated[float | None, typer.Option(min=0.0, help="US dollars for the whole run.")]
ResultsOption = Annotated[
    Path,
    typer.Option("--results-dir", envvar="HARNESS_RESULTS_DIR", help="Where runs and the journal are kept."),
]
TrackerName = Literal["mlflow", "wandb"]
TrackOption = Annotated[
    TrackerName | None,
    typer.Option(help="Hand the finished run to this tracker, too (see `harness track`)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
CandidatesOption = Annotated[
    str | None,
    typer.Option(
        help="Pairs for a prompt about given pairs: gold, all, a file {title: [[head, tail], ...]}, an encoder, or a "
        "stored run of one."
    ),
]
RefineOption = Annotated[
    str | None,
    typer.Option(help="An encoder, or a stored run of one, whose hard pairs the prompt (choice, judge) decides."),
]
RefineOptionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "-R",
        "--refine-option",
        metavar="KEY=VALUE",
        help="k, hardness, encoder_weight, model_weight, encoder_temperature or model_temperature; repeatable.",
    ),
]
PromptOptionsOption = Annotated[
    list[str] | None,
    typer.Option("-P", "--prompt-option", metavar="KEY=VALUE", help="An option of the prompt; repeatable."),
]
ModelOptionsOption = Annotated[
    list[str] | None,
    typer.Option("-M", "--model-option", metavar="KEY=VALUE", help="An option of the runner; repeatable."),
]
RelationTextsOption = Annotated[
    str | None,
    typer.Option(help="A file of relation texts, for prompts that describe relations (default: the shipped ones)."),
]
ShotsOption = Annotated[int, typer.Option(min=0, help="Labelled documents to show as examples, drawn by --seed.")]
ShotsFromOption = Annotated[
    str | None,
    typer.Option(help="Where examples come from: a dataset or a file (default: the training split, else sample)."),
]
AlignOption = Annotated[
    str | None,
    typer.Option(help="SBERT model for relations outside the schema: minilm, a folder, or a hub id."),
]
ThetaOption = Annotated[
    float | None,
    typer.Option(help="With --align: least cosine at which the nearest relation is taken (default 0.55)."),
]
AlignOverOption = Annotated[
    Literal["names", "descriptions"] | None,
    typer.Option(help="With --align: what relations are compared by (default names)."),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(help="Folder with train/dev/test_revised.json and rel_info.json (default: fetched data)."),
]
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
