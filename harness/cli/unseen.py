"""`harness train unseen`: GLiDRE trained without some relations and tested on them, as a table."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import ClusterOption, DataDirOption, DisplayOption, JsonOption, WorkersOption, key_values
from harness.cli.tables import mean_and_deviation, print_table

if TYPE_CHECKING:
    import pandas as pd

UNSEEN_HELP = """\
Train GLiDRE with m relations held out, and score it on those only.

\b
Examples:
  harness train unseen --train dev_revised.json --seeds 3
  harness train unseen --train dev_revised.json --test sentences --fewrel data/fewrel --sentences 100 -m 5 -m 10
  harness train unseen --train dev_revised.json --test sentences --from results/encoders/pretrained/seed-0
  harness train unseen --train dev_revised.json --test documents --choose-by 5 -O label_wordings=true

\b
Macro scores in percent, mean and deviation over the seeds. On documents every pair may hold any of the m
relations or none, and the threshold decides. On pairs (those of the same documents that hold one of the m, with the
same trainings) and on FewRel's sentences the highest score is the answer. The same command typed again resumes where
it was cut off.
"""


def train_unseen(
    train: Annotated[str, typer.Option(help="A corpus, NAME:SPLIT or file to train on, or several with +.")],
    test: Annotated[
        list[str] | None, typer.Option(help="documents, pairs or sentences; repeatable (default: all).")
    ] = None,
    unseen: Annotated[
        list[int] | None, typer.Option("-m", "--unseen", min=1, help="Relations held out; repeatable (5, 10, 15).")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of relations, each with a training of its own.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    sentences: Annotated[
        int, typer.Option(min=0, help="For the test on sentences: train also on this many of each seen relation.")
    ] = 100,
    fewrel: Annotated[Path | None, typer.Option(help="Folder of FewRel (default: fetched data).")] = None,
    choose: Annotated[int, typer.Option(min=0, help="Documents held out to choose the epoch by.")] = 50,
    choose_by: Annotated[
        int,
        typer.Option(
            min=0, help="Further relations held out, by which epoch and threshold are chosen (0: trained ones)."
        ),
    ] = 0,
    report: Annotated[int, typer.Option(min=1, help="Documents held out to test on.")] = 50,
    start: Annotated[
        str | None,
        typer.Option("--from", help="A GLiDRE to begin with, which has not been trained on the relations held out."),
    ] = None,
    data_dir: DataDirOption = None,
    option: Annotated[
        list[str] | None, typer.Option("-O", "--option", metavar="KEY=VALUE", help="As of train glidre; repeatable.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for trainings and tables.")] = Path("results/encoders/unseen"),
    cluster: ClusterOption = None,
    workers: WorkersOption = 1,
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    import pandas as pd

    from harness.cli.display import default_display
    from harness.cli.training_display import each_trained
    from harness.errors import InputError
    from harness.training.fit import start_folder
    from harness.training.on_ray import NamedTraining
    from harness.training.unseen import TESTS, UnseenJob, run_unseen

    tests = [name for name in TESTS if not test or name in test]
    if unknown := sorted(set(test or ()) - set(TESTS)):
        raise InputError(f"--test {unknown[0]}: write {', '.join(TESTS)}")
    first = start_folder(start) if start else None
    kind = display or ("none" if as_json else default_display())
    trainings = []
    for name in tests:
        for count in unseen or [5, 10, 15]:
            for number in range(seed, seed + seeds):
                job = UnseenJob(
                    test=name,
                    train=train,
                    unseen=count,
                    seed=number,
                    sentences=sentences if name == "sentences" else 0,
                    choose_by=choose_by,
                    choose=choose,
                    report=report,
                    fewrel=fewrel,
                    options=key_values(option, "-O"),
                    start=first,
                    data_dir=data_dir,
                )
                folder = out / job.trained_as / f"m-{count}" / f"seed-{number}"
                trainings.append(NamedTraining(f"{name}, m = {count}, seed {number}", folder, partial(run_unseen, job)))
    rows = []
    for result in each_trained(trainings, kind, cluster, workers):
        rows.append(result.as_row())
        pd.DataFrame(rows).to_csv(out / "unseen.csv", index=False)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = summary(pd.DataFrame(rows))
    print_table(
        "Unseen relations: macro scores, mean ± deviation", [[str(name) for name in table], *table.to_numpy().tolist()]
    )


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each test and m, its scores as mean ± deviation over the seeds, all as text."""
    lines = []
    for (test, count), group in rows.groupby(["test", "m"], sort=False):
        line = {"test": str(test), "m": str(count), "seeds": str(len(group))}
        for score in ("precision", "recall", "f1"):
            line[score] = mean_and_deviation(group[score])
        lines.append(line)
    return type(rows)(lines)
