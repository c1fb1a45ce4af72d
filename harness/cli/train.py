"""`harness train`: train an encoder or an adapter on labelled documents, and say what it scores on others."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.compress import COMPRESS_HELP, train_compress
from harness.cli.ensemble import ENSEMBLE_HELP, train_ensemble
from harness.cli.few_shot import FEW_SHOT_HELP, train_few_shot
from harness.cli.options import (
    ClusterOption,
    DataDirOption,
    Display,
    DisplayOption,
    JsonOption,
    WorkersOption,
    key_values,
)
from harness.cli.run_options import with_options_of
from harness.cli.seen import SEEN_HELP, train_seen
from harness.cli.train_llm import LLM_HELP, train_llm
from harness.cli.train_merge import MERGE_HELP, train_merge
from harness.cli.unseen import UNSEEN_HELP, train_unseen

if TYPE_CHECKING:
    from harness.encoders.config import Task
    from harness.training.folder import Trained

app = typer.Typer(help="Train an encoder, or an adapter of an LLM, on labelled documents.", no_args_is_help=True)

TrainOption = Annotated[
    str,
    typer.Option(
        help="What to train on: a corpus, NAME:SPLIT such as cdr:train, a file, or several with + between "
        "(docred:train+redocred:train)."
    ),
]
DevOption = Annotated[
    str | None,
    typer.Option(help="A corpus, NAME:SPLIT or file to choose epoch and threshold by (default: held out of --train)."),
]
TestOption = Annotated[
    str | None,
    typer.Option(help="A corpus, NAME:SPLIT or file to report on (default: held out of --train, without --dev)."),
]
ChooseOption = Annotated[int, typer.Option(min=0, help="Without --dev: documents held out to choose by.")]
ReportOption = Annotated[int, typer.Option(min=0, help="Without --dev and --test: documents held out to report on.")]
FewShotOption = Annotated[int | None, typer.Option(min=1, help="Train on this many of the documents only.")]
SeedsOption = Annotated[int, typer.Option(min=1, help="Trainings, each with a seed of its own.")]
FirstSeedOption = Annotated[int, typer.Option("--seed", min=0, help="The first seed.")]
EncoderOption = Annotated[
    str,
    typer.Option(
        help="minilm (packaged), a hub id, the folder of a pretrained encoder, or a trained one for what is inside it."
    ),
]
LabelEncoderOption = Annotated[str, typer.Option(help="The encoder of relation names: as --encoder.")]
StartOption = Annotated[
    str | None,
    typer.Option("--from", help="A trained encoder to begin with (packaged, folder or hub id): weights that fit."),
]
TeacherOption = Annotated[
    str | None,
    typer.Option(help="A trained encoder (as --from, or an ensemble) whose scores are learned beside the labels."),
]
WithoutOption = Annotated[
    Path | None,
    typer.Option(
        "--without-relations",
        help="A file that lists relations to leave out (ids or names, or a rel_info.json): nothing is learned of them.",
    ),
]
FieldOption = Annotated[
    list[str] | None,
    typer.Option("-O", "--option", metavar="KEY=VALUE", help="A field of the saved configuration; repeatable."),
]
OutOption = Annotated[Path, typer.Option(help="Folder for the trained encoders, one below it for each seed.")]

EXAMPLES = """
\b
Examples:
  harness train {task} --train dev_revised.json --out results/encoders/{task}
  harness train {task} --encoder roberta-base --train train_revised.json --dev dev_revised.json --seeds 5
  harness train {task} --train dev_revised.json --few-shot 10 --seeds 5 -O epochs=60 -O average_decay=0.99
  harness train {task} --train dev_revised.json --from results/encoders/distant/seed-0
  harness train {task} --train cdr:train --dev cdr:dev --test cdr:test --data-dir data/cdr

\b
The same command typed again resumes where a training was cut off. With --dev and no --test, the scores are those of
the choosing split; else they are of documents that the training has not seen.
"""


def training_options(
    train: TrainOption,
    dev: DevOption = None,
    test: TestOption = None,
    encoder: EncoderOption = "minilm",
    choose: ChooseOption = 50,
    report: ReportOption = 50,
    few_shot: FewShotOption = None,
    seeds: SeedsOption = 1,
    seed: FirstSeedOption = 0,
    start: StartOption = None,
    teacher: TeacherOption = None,
    without: WithoutOption = None,
    data_dir: DataDirOption = None,
    option: FieldOption = None,
    cluster: ClusterOption = None,
    workers: WorkersOption = 1,
) -> dict[str, Any]:
    """The fields of a ``TrainingJob`` but for its seed, the ``seeds`` to train with, and the ``cluster``."""
    return {
        "train": train,
        "dev": dev,
        "test": test,
        "choose": choose,
        "report": report,
        "few_shot": few_shot,
        "seeds": range(seed, seed + seeds),
        "start": start,
        "teacher": teacher,
        "without": without,
        "data_dir": data_dir,
        "cluster": cluster,
        "workers": workers,
        "options": {"encoder": encoder, **key_values(option, "-O")},
    }


@app.command("atlop", help="Train ATLOP, which finds relations.\n" + EXAMPLES.format(task="atlop"))
@with_options_of(training_options)
def train_atlop(
    fields: dict[str, Any],
    out: OutOption = Path("results/encoders/atlop"),
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    _train("atlop", fields, out, display, as_json)


@app.command("rcp", help="Train a candidate proposer, which finds related pairs.\n" + EXAMPLES.format(task="rcp"))
@with_options_of(training_options)
def train_rcp(
    fields: dict[str, Any],
    out: OutOption = Path("results/encoders/rcp"),
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    _train("rcp", fields, out, display, as_json)


@app.command(
    "glidre",
    help="Train GLiDRE, which compares pairs with relation names and so scores any label set.\n"
    + EXAMPLES.format(task="glidre"),
)
@with_options_of(training_options)
def train_glidre(
    fields: dict[str, Any],
    label_encoder: LabelEncoderOption = "minilm",
    out: OutOption = Path("results/encoders/glidre"),
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    options = {"label_encoder": label_encoder, **fields["options"]}
    _train("glidre", {**fields, "options": options}, out, display, as_json)


@app.command(
    "entities",
    help="Train an entity finder: mentions, their types, and which are of one entity.\n"
    + EXAMPLES.format(task="entities"),
)
@with_options_of(training_options)
def train_entities(
    fields: dict[str, Any],
    out: OutOption = Path("results/encoders/entities"),
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    _train("entities", fields, out, display, as_json)


app.command("llm", help=LLM_HELP)(train_llm)
app.command("merge", help=MERGE_HELP)(train_merge)
app.command("compress", help=COMPRESS_HELP)(train_compress)
app.command("ensemble", help=ENSEMBLE_HELP)(train_ensemble)
app.command("few-shot", help=FEW_SHOT_HELP)(train_few_shot)
app.command("seen", help=SEEN_HELP)(train_seen)
app.command("unseen", help=UNSEEN_HELP)(train_unseen)


def _train(task: Task, fields: Mapping[str, Any], out: Path, display: Display | None, as_json: bool) -> None:
    from harness.cli.display import default_display
    from harness.cli.training_display import each_trained
    from harness.encoders.scorer import encoder_folder
    from harness.encoders.weights import data_of, read_record
    from harness.label_source import LabelSource
    from harness.training.entities import train_entity_finder
    from harness.training.fit import TrainingJob, start_folder, train_encoder
    from harness.training.folder import LEARNED
    from harness.training.on_ray import NamedTraining

    train = train_entity_finder if task == "entities" else train_encoder
    seeds = fields["seeds"]
    of_job = {name: value for name, value in fields.items() if name not in ("seeds", "cluster", "workers")}
    if fields["start"]:
        of_job["start"] = start_folder(fields["start"])
    if fields["teacher"]:
        of_job["teacher"] = encoder_folder(fields["teacher"])
    kind = display or ("none" if as_json else default_display())
    trainings = [
        NamedTraining(f"seed {seed}", out / f"seed-{seed}", partial(train, TrainingJob(task, **of_job, seed=seed)))
        for seed in seeds
    ]
    results = list(each_trained(trainings, kind, fields["cluster"], fields["workers"]))
    if as_json:
        typer.echo(json.dumps([trained.as_json() for trained in results]))
        return
    if silver := data_of(results[0].folder).get("silver"):
        typer.echo(silver)
    if learned := (read_record(results[0].folder) or {}).get(LEARNED):
        source = LabelSource(**learned["label_source"])
        evidence = f", {learned['with_evidence']:,} with evidence" if learned["with_evidence"] else ""
        written = f"; {source.silver}" if source.silver and source.silver != silver else ""
        typer.echo(f"learned: {learned['labels']:,} labels{evidence}{written}")
    if annotated := data_of(results[0].folder).get("annotated"):
        each = ", ".join(f"{name} {count:,}" for name, count in annotated.items())
        typer.echo(f"relations by corpus: {each}; a document teaches those of its own corpus")
    if fields["without"]:
        left_out = ", ".join(data_of(results[0].folder).get("unseen", ()))
        typer.echo(f"relations left out: {left_out or 'none, as no relation that the file lists is in this corpus'}")
    for trained in results:
        typer.echo(_line(trained, task))
    if len(results) > 1:
        scores = [_f1(trained, task) for trained in results]
        typer.echo(f"F1 {statistics.mean(scores):.2f} ± {statistics.stdev(scores):.2f} over {len(scores)} seeds")


def _line(trained: Trained, task: Task) -> str:
    where = "documents not seen" if trained.reported else "choosing split"
    epoch = f", epoch {trained.best.epoch}" if trained.best else ""
    return f"{trained.folder}: F1 {_f1(trained, task):.2f} on {where}{epoch}, {trained.seconds:,.0f} s"


def _f1(trained: Trained, task: Task) -> float:
    """F1 in percent: on the reporting documents if there are any, else on the choosing split."""
    from harness.training.fit import reported_percent

    if trained.reported:
        return reported_percent(trained.reported, task)
    return 100 * (trained.best.f1 or 0.0) if trained.best else 0.0
