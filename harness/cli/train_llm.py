"""`harness train llm`: train an adapter (LoRA) of an LLM on what a prompt asks and the labels answer."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DataDirOption, DisplayOption, JsonOption, key_values

if TYPE_CHECKING:
    from harness.training.folder import Trained

LLM_HELP = """
Train an adapter (LoRA) of an LLM on what a prompt asks.

An example is the prompt that `harness run` would send, and the answer that the labels give; only answers are learned.
`harness run --adapter FOLDER` uses the adapter. The model is trained by transformers: from the hub, a folder or a GGUF
file. The prompt `compact` has few tokens: it lists neither entities nor relations.

\b
Examples:
  harness train llm --model smollm2-135m --prompt compact --train dev_revised.json
  harness train llm --model smollm2-135m --prompt classify --candidates rcp-minilm --train dev_revised.json
  harness train llm --model mistral-7b --prompt rhf --each-step --preset autore --train train_revised.json \\
      --dev dev_revised.json
  harness run --model smollm2-135m --prompt compact --adapter results/adapters/compact/seed-0 --split dev-report

\b
The same command typed again resumes where a training was cut off, with the step after the last that was stored.
"""


def train_llm(
    model: Annotated[str, typer.Option(help="As of `harness run`; it is loaded by transformers.")],
    prompt: Annotated[str, typer.Option(help="The prompt whose questions are learned.")],
    train: Annotated[str, typer.Option(help="To train on: a corpus, NAME:SPLIT, or a DocRED-format file.")],
    dev: Annotated[
        str | None, typer.Option(help="A corpus or file to choose the epoch by (default: held out of --train).")
    ] = None,
    prompt_option: Annotated[
        list[str] | None, typer.Option("-P", "--prompt-option", metavar="KEY=VALUE", help="An option of the prompt.")
    ] = None,
    model_option: Annotated[
        list[str] | None, typer.Option("-M", "--model-option", metavar="KEY=VALUE", help="An option of transformers.")
    ] = None,
    candidates: Annotated[
        str | None, typer.Option(help="Pairs for a prompt about given pairs, as of `harness run`.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="A corpus, NAME:SPLIT or file to report on.")] = None,
    choose: Annotated[int, typer.Option(min=0, help="Without --dev: documents held out to choose by.")] = 50,
    report: Annotated[int, typer.Option(min=0, help="Without --dev and --test: documents held out to report on.")] = 50,
    few_shot: Annotated[int | None, typer.Option(min=1, help="Train on this many of the documents only.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings, each with a seed of its own.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    step: Annotated[str | None, typer.Option(help="Of a prompt in several steps: the one to learn.")] = None,
    each_step: Annotated[
        bool,
        typer.Option("--each-step", help="Of a prompt in several steps: an adapter for each, in folders of theirs."),
    ] = False,
    preset: Annotated[
        str | None, typer.Option(help="Settings of a paper: lmrc, lmrc-baseline or autore; -O changes them.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-O", "--option", metavar="KEY=VALUE", help="A setting of the training, such as epochs=3, rank=16."
        ),
    ] = None,
    processes: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Processes that share each step, one on each GPU; auto: as many as GPUs (default: one process).",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder (default: results/adapters/PROMPT); a folder a seed.")
    ] = None,
    data_dir: DataDirOption = None,
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    from harness.cli.display import default_display
    from harness.cli.training_display import training_display
    from harness.errors import InputError
    from harness.runs.config import RunConfig
    from harness.training.llm.fit import AdapterJob, steps_of, train_adapter
    from harness.training.processes import among_others, count_of, is_main, is_one_of_several, run_in_processes

    if step and each_step:
        raise InputError("--step names one step and --each-step takes all: leave out one of them")
    run = RunConfig(
        model=model,
        prompt=prompt,
        prompt_options=key_values(prompt_option, "-P"),
        model_options=key_values(model_option, "-M"),
        candidates=candidates,
    )
    fields: dict[str, Any] = {
        "run": run,
        "train": train,
        "dev": dev,
        "test": test,
        "choose": choose,
        "report": report,
        "few_shot": few_shot,
        "data_dir": data_dir,
        "preset": preset,
        "options": key_values(option, "-O"),
    }
    AdapterJob(**fields).config()  # what is wrong with an option is told once
    count = count_of(processes, on_cpu=run.model_options.get("device") == "cpu")
    if count > 1 and not is_one_of_several():
        # -P: no module of the working folder is to take the place of an installed one.
        raise typer.Exit(run_in_processes(count, ["-P", "-m", "harness", *sys.argv[1:]]))
    folder = out or Path("results/adapters") / Path(prompt).name
    kind = display or ("none" if as_json else default_display())
    results = []
    with among_others():
        steps = steps_of(AdapterJob(**fields)) if each_step else [step]
        for one in steps:
            for number in range(seed, seed + seeds):
                place = (folder / one if each_step and one else folder) / f"seed-{number}"
                name = f"{one}, seed {number}" if each_step else f"seed {number}"
                with training_display(kind if is_main() else "none", name) as watcher:
                    results.append(train_adapter(AdapterJob(**fields, seed=number, step=one), place, watcher))
    if not is_main():
        return
    if as_json:
        typer.echo(json.dumps([trained.as_json() for trained in results]))
        return
    for trained in results:
        typer.echo(_line(trained))
    scores = [100 * float(trained.reported["f1"] or 0) for trained in results if trained.reported]
    if len(scores) > 1 and not each_step:
        typer.echo(f"F1 {statistics.mean(scores):.2f} ± {statistics.stdev(scores):.2f} over {len(scores)} seeds")


def _line(trained: Trained) -> str:
    best, where = trained.best, "documents not seen" if trained.reported else "choosing split"
    f1 = trained.reported["f1"] if trained.reported else None if best is None else best.f1
    told = [] if f1 is None else [f"F1 {100 * f1:.2f} on {where}"]
    if best is not None:
        held_out = "" if best.held_out_loss is None else f", {best.held_out_loss:.3f} of documents held out,"
        told.append(f"loss {best.loss:.3f}{held_out} in epoch {best.epoch}")
    return f"{trained.folder}: {', '.join([*told, f'{trained.seconds:,.0f} s'])}"
