"""Options that several commands share, and how `key=value` pairs are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from harness.errors import InputError
from harness.runs.config import OPTIONS
from harness.runs.run_option import RunOption
from harness.types import AlignOver


def typer_option(option: RunOption) -> Any:
    """An option of a run for Typer, with the text, flags, bounds and variable that are declared."""
    metavar = ("[KEY=]VALUE" if option.bare else "KEY=VALUE") if option.is_mapping else None
    return typer.Option(
        *option.flags, help=option.text, min=option.least, max=option.most, metavar=metavar, envvar=option.env
    )


Display = Literal["rich", "plain", "none"]
DisplayOption = Annotated[Display | None, typer.Option(help="Default: rich on a terminal, else plain.")]
FailOnErrorOption = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="Share of documents without a full answer above which to exit with 1."),
]
ResultsOption = Annotated[Path, typer_option(OPTIONS["results"])]
TrackerName = Literal["mlflow", "wandb"]
TrackOption = Annotated[
    TrackerName | None,
    typer.Option(help="Hand the finished run to this tracker, too (see `harness track`)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
BatchOption = Annotated[
    bool,
    typer.Option("--batch", help="Ask in batches of the provider: hours later, mostly at half the price."),
]
BatchFileOption = Annotated[
    Path | None,
    typer.Option(help="Write the requests to this .jsonl file, and read the answers beside it (`vllm run-batch`)."),
]
ClusterOption = Annotated[
    str | None, typer.Option(help="Work on Ray: auto (one that runs, else one started here), or its address.")
]
WorkersOption = Annotated[int, typer.Option(min=1, help="With --cluster: how many work at once.")]
AlignOption = Annotated[str | None, typer_option(OPTIONS["align"])]
ThetaOption = Annotated[float | None, typer_option(OPTIONS["theta"])]
AlignOverOption = Annotated[AlignOver | None, typer_option(OPTIONS["align_over"])]
DataDirOption = Annotated[Path | None, typer_option(OPTIONS["data_dir"])]
RunDatasetOption = Annotated[
    str | None,
    typer.Option("--dataset", help="The file or corpus that the run's data is in now (default: looked for)."),
]
RunDataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="The folder that the run's data is in now (default: looked for).")
]

EntitiesOption = Annotated[
    str,
    typer.Option(
        help="entities-minilm, a folder of `harness train entities`, gliner[/ID], spacy/PIPELINE, "
        "a language model, llm (that of --relations), or FILE.jsonl of mentions."
    ),
]
RelationsOption = Annotated[
    str, typer.Option(help="atlop-minilm, glidre-minilm, another encoder, a language model, or none.")
]
SchemaOption = Annotated[
    str, typer.Option(help="Relations: redocred, or a rel_info.json of your own (glidre-minilm or a language model).")
]
MinScoreOption = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Keep relations of this probability or more (default: the model's choice)."),
]
EntityTypeOption = Annotated[
    list[str] | None, typer.Option("--entity-type", help="A label that GLiNER looks for; repeatable.")
]
ExtractModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "-M",
        "--model-option",
        metavar="KEY=VALUE",
        help="device, precision, threads, threshold (GLiDRE); or a language model's.",
    ),
]


def key_values(pairs: list[str] | None, option: str, *, bare: bool = False) -> dict[str, str]:
    """``["a=1", "b=2"]`` as a dictionary; raises InputError for anything else.

    A ``bare`` value, such as ``a`` or the path ``./x=y/z``, has the empty key; two values of one key are then refused,
    of others the last counts.
    """
    values: dict[str, str] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if bare and (not equals or "/" in key):
            key, equals, value = "", "=", pair
        if not equals or not (key or bare) or not (value or not bare):
            raise InputError(f"{option} {pair!r}: write it as {option} {'VALUE or KEY=VALUE' if bare else 'key=value'}")
        if bare and values.get(key, value) != value:
            which = f" {key}" if key else ""
            raise InputError(f"{option}{which}: given as {values[key]} and as {value}; leave out one of them")
        values[key] = value
    return values
