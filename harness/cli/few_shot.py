"""`harness train few-shot`: F1 by the number of training documents, as a table and a curve."""

from __future__ import annotations

import json
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from harness.cli.options import ClusterOption, DataDirOption, DisplayOption, JsonOption, WorkersOption, key_values
from harness.cli.tables import mean_and_deviation, print_table

if TYPE_CHECKING:
    import pandas as pd

DREEAM = "dreeam"
OF_DREEAM = {"evidence_weight": "0.1"}
"""DREEAM is ATLOP whose attention learns evidence (Ma et al., 2023), without its training on distant documents."""

FEW_SHOT_HELP = """\
Train models on few documents and show how F1 grows with their number.

\b
Examples:
  harness train few-shot --train dev_revised.json --seeds 5
  harness train few-shot --train dev_revised.json --model atlop -n 10 -n 100 -O distances=true
  harness train few-shot --train dev_revised.json --llm smollm2-135m --prompt compact -n 10 -n 50 -n 100 --epochs 3 \\
      --steps 60 --seeds 1
  harness train few-shot --train dev_revised.json --steps 300 --seeds 5 --all-seeds 3 -O glidre.hidden_size=256
  harness train few-shot --train redocred:train --dev redocred:dev --test redocred:test --model glidre --model dreeam \\
      --from glidre=results/encoders/pretrained/seed-0

\b
Each training has --steps batches or --epochs passes over its documents, whichever is more, chooses its epoch by
the choosing documents, and is scored on the reporting ones; mean and deviation are over the seeds, each with other
documents. The same command typed again resumes where it was cut off. Beside the trainings lie few_shot.csv and,
where matplotlib is installed, few_shot.svg.
"""


def train_few_shot(
    train: Annotated[str, typer.Option(help="A corpus or DocRED-format file to train on.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="atlop, dreeam, rcp or glidre; repeatable (default: atlop and glidre, without --llm)."),
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(
            "--from", metavar="MODEL=FOLDER", help="A trained encoder that this model begins with; repeatable."
        ),
    ] = None,
    dev: Annotated[
        str | None, typer.Option(help="A corpus, NAME:SPLIT or file to choose by (default: held out of --train).")
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="A corpus, NAME:SPLIT or file to report on (default: held out of --train).")
    ] = None,
    data_dir: DataDirOption = None,
    llm: Annotated[
        str | None, typer.Option(help="An LLM, of which adapters are trained on the questions of --prompt.")
    ] = None,
    prompt: Annotated[str, typer.Option(help="With --llm: the prompt whose questions are learned.")] = "compact",
    candidates: Annotated[
        str | None, typer.Option(help="With --llm: pairs for a prompt about given pairs, as of `harness run`.")
    ] = None,
    size: Annotated[
        list[int] | None, typer.Option("-n", "--size", min=1, help="Documents; repeatable (1, 5, 10, 50, 100).")
    ] = None,
    whole: Annotated[bool, typer.Option("--all/--no-all", help="Also train on all documents.")] = True,
    steps: Annotated[int, typer.Option(min=1, help="Batches of each training, at the least.")] = 600,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over its documents, at the least.")] = 12,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of documents, each with a training of its own.")] = 5,
    all_seeds: Annotated[
        int | None, typer.Option(min=1, help="Trainings on all documents, which are no draw (default: --seeds).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    choose: Annotated[int, typer.Option(min=0, help="Documents held out to choose the epoch by.")] = 50,
    report: Annotated[int, typer.Option(min=1, help="Documents held out to test on.")] = 50,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-O", "--option", metavar="[MODEL.]KEY=VALUE", help="As of train, for one model or all; repeatable."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for trainings, table and curve.")] = Path(
        "results/encoders/few-shot"
    ),
    cluster: ClusterOption = None,
    workers: WorkersOption = 1,
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    import pandas as pd

    from harness.cli.display import default_display
    from harness.cli.training_display import each_trained
    from harness.encoders.config import Task
    from harness.errors import InputError
    from harness.runs.config import RunConfig
    from harness.training.few_shot import SIZES, FewShotJob, documents_to_train_on, run_few_shot
    from harness.training.fit import start_folder
    from harness.training.on_ray import NamedTraining

    tasks: dict[str, Task | Literal["llm"]] = {}
    known: dict[str, Task] = {one: one for one in get_args(Task)} | {DREEAM: "atlop"}
    for name in model or ([] if llm else ["atlop", "glidre"]):
        if name not in known:
            raise InputError(f"--model {name}: write {', '.join(known)}")
        tasks[name] = known[name]
    tasks |= {"llm": "llm"} if llm else {}
    starts = {name: start_folder(folder) for name, folder in key_values(start, "--from").items()}
    if stray := sorted(starts.keys() - tasks.keys() | starts.keys() & {"llm"}):
        raise InputError(f"--from {stray[0]}=...: write the name of an encoder of --model before the =")
    if dev is not None and test is None:
        raise InputError("--dev: name the documents to report on, too, with --test")
    run = RunConfig(llm, prompt, candidates=candidates) if llm else None
    options = key_values(option, "-O")
    names = (*known, "llm")
    if unknown := sorted({key.partition(".")[0] for key in options if "." in key} - set(names)):
        raise InputError(f"-O {unknown[0]}.…: write {', '.join(names)} before the dot")
    held_out = (choose if dev is None else 0, report if test is None else 0)
    documents = documents_to_train_on(train, *held_out, data_dir)
    if too_many := [number for number in size or () if number > documents]:
        raise InputError(f"--size {too_many[0]}: {train} leaves {documents} documents to train on")
    fitting = [number for number in SIZES if number <= documents]
    sizes: list[int | None] = [*(size or fitting), *([None] if whole else [])]
    kind = display or ("none" if as_json else default_display())
    trainings = []
    for model_name, task in tasks.items():
        own = {**(OF_DREEAM if model_name == DREEAM else {}), **_of_model(model_name, options)}
        place: dict[str, Any] = {
            "dev": dev,
            "test": test,
            "data_dir": data_dir,
            "start": starts.get(model_name),
            "label": model_name,
        }
        for number in sizes:
            for draw in range(seed, seed + (seeds if number else all_seeds or seeds)):
                asked = run if task == "llm" else None
                job = FewShotJob(task, train, number, draw, steps, epochs, choose, report, own, asked, **place)
                folder = out / job.name.replace(" ", "-") / f"n-{number or 'all'}" / f"seed-{draw}"
                name = f"{job.name}, n = {number or documents}, seed {draw}"
                trainings.append(NamedTraining(name, folder, partial(run_few_shot, job, documents)))
    rows = []
    for row in each_trained(trainings, kind, cluster, workers):
        rows.append(row)
        pd.DataFrame(rows).to_csv(out / "few_shot.csv", index=False)
    table = pd.DataFrame(rows)
    if find_spec("matplotlib"):
        draw_curve(out / "few_shot.svg", table)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    shown = summary(table)
    print_table("F1 by training documents, mean ± deviation", [list(shown.columns), *shown.to_numpy().tolist()])


def _of_model(task: str, options: dict[str, str]) -> dict[str, str]:
    """The options for all models and, without the model's name, those for this one."""
    own = {key.removeprefix(f"{task}."): value for key, value in options.items() if key.startswith(f"{task}.")}
    return {**{key: value for key, value in options.items() if "." not in key}, **own}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each number of documents, one column for each model, as text."""
    lines = []
    for number, of_size in rows.groupby("n"):
        line = {"n": str(number)}
        for name, group in of_size.groupby("model", sort=False):
            line[str(name)] = mean_and_deviation(group["f1"])
        lines.append(line)
    return type(rows)(lines).fillna("")


def draw_curve(path: Path, rows: pd.DataFrame) -> None:
    """Mean F1 with a band of one deviation, against the number of documents on a logarithmic axis."""
    from matplotlib.figure import Figure

    from harness.cli.figures import save_figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for name, group in rows.groupby("model", sort=False):
        scores = group.groupby("n")["f1"].agg(["mean", "std"]).fillna(0.0)
        axes.plot(scores.index, scores["mean"], "o-", label=str(name))
        axes.fill_between(scores.index, scores["mean"] - scores["std"], scores["mean"] + scores["std"], alpha=0.2)
    axes.set_xscale("log")
    sizes = sorted(set(rows["n"].tolist()))
    axes.set_xticks(sizes, labels=[str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("training documents")
    axes.set_ylabel("F1, percent")
    axes.legend()
    save_figure(figure, path)
