"""`harness run` and `harness retry`: ask a model, store and score its answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli.options import (
    CandidatesOption,
    DataDirOption,
    Display,
    DisplayOption,
    FailOnErrorOption,
    JsonOption,
    MaxCostOption,
    MaxTimeOption,
    MaxTokensTotalOption,
    PromptOptionsOption,
    RelationTextsOption,
    ResultsOption,
    ShotsFromOption,
    ShotsOption,
    key_values,
    read_configuration,
)

if TYPE_CHECKING:
    from harness.experiment.plan import Experiment

RUN_EXAMPLES = """\
Ask a model for the relations of every document, then store and score its answers.

\b
Examples:
  harness run --model smollm2-135m --prompt tagged --dataset sample
  harness run --model smollm2-135m --prompt tagged --dataset redocred --split dev --limit 20
  harness run --model gpt-4o-mini --prompt tagged --limit 20 --max-cost 0.50
  harness run --model qwen2.5-72b --prompt tagged --base-url http://gpu-server:8000/v1

\b
The same command typed again resumes an interrupted run: answers are kept in a journal, and nothing
is asked twice. Exit codes: 0 done; 1 too many documents failed; 2 bad input; 3 stopped, resumable.
"""


def run(
    model: Annotated[str, typer.Option(help="A name from `harness models`, provider/name, or a GGUF file.")],
    prompt: Annotated[str, typer.Option(help="A name from `harness prompts`, or the path of a folder.")],
    dataset: Annotated[str, typer.Option(help="redocred, sample, or a DocRED-format file.")] = "redocred",
    split: Annotated[str | None, typer.Option(help="train, dev or test.")] = None,
    data_dir: DataDirOption = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N documents (marked as partial).")] = None,
    constrain: Annotated[
        Literal["closed", "format", "none"],
        typer.Option(help="closed: only existing entities and relations; format: any relation; none."),
    ] = "closed",
    prompt_option: PromptOptionsOption = None,
    model_option: Annotated[
        list[str] | None,
        typer.Option("-M", "--model-option", metavar="KEY=VALUE", help="An option of the runner; repeatable."),
    ] = None,
    candidates: CandidatesOption = None,
    relation_texts: RelationTextsOption = None,
    shots: ShotsOption = 0,
    shots_from: ShotsFromOption = None,
    max_triplets: Annotated[int | None, typer.Option(min=1, help="Longest list a model may give.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 is greedy decoding.")] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="Nucleus sampling.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Draws examples, and samples where the server honours a seed.")] = 0,
    repeat: Annotated[int, typer.Option(min=0, help="Number of an independent repetition.")] = 0,
    base_url: Annotated[str | None, typer.Option(help="OpenAI-compatible address of a server.")] = None,
    max_connections: Annotated[int, typer.Option(min=1, help="Most requests in flight.")] = 64,
    max_retries: Annotated[int, typer.Option(min=0, help="Tries after the first, per request.")] = 8,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one request.")] = 600.0,
    max_time: MaxTimeOption = None,
    max_tokens_total: MaxTokensTotalOption = None,
    max_cost: MaxCostOption = None,
    fail_on_error: FailOnErrorOption = 0.0,
    results_dir: ResultsOption = Path("results"),
    display: DisplayOption = None,
    as_json: JsonOption = False,
    config: Annotated[  # noqa: ARG001 - read by its callback
        Path | None,
        typer.Option(callback=read_configuration, is_eager=True, help="YAML with options; flags win."),
    ] = None,
) -> None:
    from harness.engine.budget import Limits
    from harness.experiment.config import RunConfig
    from harness.experiment.plan import prepare

    experiment = prepare(
        RunConfig(
            model=model,
            prompt=prompt,
            dataset=dataset,
            split=split,
            data_dir=data_dir,
            limit=limit,
            constrain=constrain,
            prompt_options=key_values(prompt_option, "-P"),
            candidates=candidates,
            relation_texts=relation_texts,
            shots=shots,
            shots_from=shots_from,
            max_triplets=max_triplets,
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            repeat=repeat,
            base_url=base_url,
            model_options=key_values(model_option, "-M"),
            max_connections=max_connections,
            max_retries=max_retries,
            timeout_s=timeout,
            limits=Limits(tokens=max_tokens_total, cost_usd=max_cost, seconds=max_time),
            results=results_dir,
        )
    )
    run_and_show(experiment, display, as_json, fail_on_error)


def retry(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Folder, id, or part of the id of a run.")],
    max_connections: Annotated[int | None, typer.Option(min=1, help="Most requests in flight.")] = None,
    max_retries: Annotated[int | None, typer.Option(min=0, help="Tries after the first, per request.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds for one request.")] = None,
    max_time: MaxTimeOption = None,
    max_tokens_total: MaxTokensTotalOption = None,
    max_cost: MaxCostOption = None,
    results_dir: ResultsOption = Path("results"),
    fail_on_error: FailOnErrorOption = 0.0,
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask again for the documents of a run that did not end ok; the others keep their answers.

    Budgets count what the run has spent so far; they and the other limits are those of this command.

    \b
    Example:
      harness retry redocred-dev-smollm2
    """
    from dataclasses import replace

    from harness.engine.budget import Limits
    from harness.errors import InputError
    from harness.experiment.config import RunConfig
    from harness.experiment.execute import titles_to_ask_again
    from harness.experiment.plan import prepare
    from harness.store import find_run

    folder = find_run(results_dir, run_id)
    config = RunConfig.from_json(folder.read_manifest()["config"])
    config = replace(
        config,
        results=folder.path.parents[1],
        max_connections=max_connections or config.max_connections,
        max_retries=config.max_retries if max_retries is None else max_retries,
        timeout_s=timeout or config.timeout_s,
        limits=Limits(tokens=max_tokens_total, cost_usd=max_cost, seconds=max_time),
    )
    experiment = prepare(config)
    if experiment.run_id != folder.run_id:
        raise InputError(
            f"{folder.run_id} was made with another prompt, dataset file or model file than the one found now: "
            "type the original command to make a new run"
        )
    run_and_show(experiment, display, as_json, fail_on_error, titles_to_ask_again(folder))


def run_and_show(
    experiment: Experiment,
    display: Display | None,
    as_json: bool,
    fail_on_error: float,
    ask_again: Collection[str] = (),
) -> None:
    """Execute with a display, print the outcome, and exit with 1 if too many documents failed."""
    from harness.cli.display import default_display, log_to_stderr, make_display
    from harness.cli.summary import print_result
    from harness.experiment.execute import execute

    kind = display or ("none" if as_json else default_display())
    if kind != "none":
        log_to_stderr()
    observer = make_display(kind)
    try:
        result = asyncio.run(execute(experiment, observer, ask_again))
    finally:
        observer.close()
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        print_result(result)
    if result.failed_share > fail_on_error:
        typer.echo(
            f"{result.failed_share:.1%} of the documents have no answer: `harness retry {result.folder.run_id}` "
            "asks for them again",
            err=True,
        )
        raise typer.Exit(1)
