"""`harness run` and `harness retry`: ask a model, store and score its answers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

import typer

from harness import strict_json
from harness.cli.options import (
    BatchFileOption,
    BatchOption,
    ClusterOption,
    Display,
    DisplayOption,
    FailOnErrorOption,
    JsonOption,
    ResultsOption,
    RunDataDirOption,
    RunDatasetOption,
    TrackerName,
    TrackOption,
    WorkersOption,
)
from harness.cli.run_options import fields_from, with_options_of, with_run_options
from harness.runs.config import OPTIONS, RunConfig
from harness.runs.failures import MOST_FAILED
from harness.runs.run_option import LLM

if TYPE_CHECKING:
    from harness.records.manifest import CompleteManifest
    from harness.runs.failures import Failure
    from harness.runs.plan import Experiment
    from harness.runs.results import RunResult
    from harness.runs.retrying import BadAnswers
    from harness.runs.sources.encoder import EncoderExperiment

RUN_EXAMPLES = """\
Ask a model for the relations of every document, then store and score its answers.

\b
Examples:
  harness run --model smollm2-135m --prompt tagged --dataset sample
  harness run --model smollm2-135m --prompt tagged --dataset redocred --split dev --limit 20
  harness run --model gpt-4o-mini --prompt tagged --limit 20 --max-cost 0.50
  harness run --model qwen2.5-72b --prompt tagged --base-url http://gpu-server:8000/v1
  harness run --model gpt-4o-mini --prompt tagged --split dev --batch
  harness run --model smollm2-135m --adapter adapters/tagged --prompt tagged --limit 20
  harness run --model atlop-minilm --dataset redocred --split dev
  harness run --model smollm2-135m --prompt classify --candidates rcp-minilm --limit 20
  harness run --model smollm2-135m --prompt choice --refine atlop-minilm --limit 20
  harness run --model gpt-4o --prompt tagged --sample 100 --seed 7 --dry-run
  harness run --model atlop-minilm --part 2/8

\b
The same command typed again resumes an interrupted run: answers are kept in a journal, and nothing
is asked twice. Exit codes: 0 done; 1 too many documents without a full answer; 2 bad input; 3 stopped, resumable.
"""


@with_run_options
def run(
    config: RunConfig,
    fail_on_error: FailOnErrorOption = MOST_FAILED,
    display: DisplayOption = None,
    track: TrackOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count requests, tokens, dollars and time; send nothing.")
    ] = False,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="With --dry-run: requests (of an encoder documents) a second.")
    ] = None,
    confirm_above: Annotated[
        float | None,
        typer.Option(min=0.0, help="Estimate first, and ask before a run that may cost more US dollars than this."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: run whatever it costs.")] = False,
    cluster: ClusterOption = None,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
    batch: BatchOption = False,
    batch_file: BatchFileOption = None,
) -> None:
    from harness.errors import InputError
    from harness.runs.plan import prepare
    from harness.runs.sources.encoder import is_encoder, prepare_encoder

    if track:
        from harness.tracking import check_tracker

        check_tracker(track)
    batches = batching(batch, batch_file)
    if cluster and batches:
        raise InputError("--cluster and --batch exclude each other: leave out one of them")
    if dry_run:
        from harness.cli.dry_run import show_estimate

        show_estimate(config, rate, display, as_json, in_batches=batches is not None)
    elif cluster:
        if config.part:
            raise InputError("--cluster makes the parts itself: leave out --part")
        if is_encoder(config):
            planned: Experiment | EncoderExperiment = prepare_encoder(config)
        else:
            score_first(config, display, as_json)
            planned = prepare(config)
            if confirm_above is not None and not yes:
                from harness.cli.dry_run import confirm

                confirm(planned, confirm_above, display, as_json)
        run_on_cluster(planned, cluster, workers, display, as_json, fail_on_error, track)
    elif is_encoder(config):
        if batches:
            raise InputError(f"{config.model} is an encoder: leave out --batch and --batch-file")
        score_and_show(prepare_encoder(config), display, as_json, track)
    else:
        score_first(config, display, as_json)
        experiment = prepare(config, model_needed=batch_file is None)
        if confirm_above is not None and not yes:
            from harness.cli.dry_run import confirm

            confirm(experiment, confirm_above, display, as_json, in_batches=batches is not None)
        run_and_show(experiment, display, as_json, fail_on_error, track=track, batches=batches)


def run_on_cluster(
    planned: Experiment | EncoderExperiment,
    cluster: str,
    workers: int,
    display: Display | None,
    as_json: bool,
    fail_on_error: float,
    track: TrackerName | None,
) -> None:
    """Run the parts on Ray with a bar over all documents, merge them, and print the outcome."""
    from harness.cli.display import chosen_display
    from harness.cli.summary import print_result
    from harness.cli.transfers import counting_progress
    from harness.runs.on_ray import run_on_ray

    with counting_progress("documents", planned.document_count, chosen_display(display, as_json)) as advance:
        result = run_on_ray(planned, cluster, workers, advance)
    if as_json:
        typer.echo(strict_json.dumps(result.as_json()))
    else:
        print_result(result)
    hand_over(result, track)
    if result.failed_too_often(fail_on_error):
        exit_as_failed(result.manifest, result.failures)


def score_first(config: RunConfig, display: Display | None, as_json: bool) -> None:
    """Run the encoders that the experiment builds on, unless their scores are stored."""
    from harness.cli.display import chosen_display
    from harness.runs.sources.encoder_scores import encoders_to_run

    kind = chosen_display(display, as_json)
    for encoder in encoders_to_run(config):
        score_for_a_model(encoder, kind)


def score_for_a_model(encoder: EncoderExperiment, display: Display) -> None:
    """Let an encoder score documents that a language model is asked about then, and say so."""
    if display != "none":
        print(f"{encoder.spec.name} scores the documents first", file=sys.stderr, flush=True)
    score(encoder, display)


REPEATED = (
    replace(OPTIONS["model"], default=None, text="Repeats the run's model, where that is a file or folder."),
    replace(OPTIONS["base_url"], text="Repeats the address of the run's server."),
    OPTIONS["model_options"],
    replace(OPTIONS["adapter"], text="Repeats the folder of the run's LoRA adapter, or STEP=FOLDER."),
    replace(OPTIONS["finder"], default=None, text="Repeats the folder of the run's entity finder."),
)
"""What a stored run cannot choose by itself."""

SESSION = tuple(replace(one, default=None) for one in OPTIONS.values() if one.sources == (LLM,) and not one.in_question)
"""How the model is asked in this session, which is that of the run where it is not given."""


@with_options_of(fields_from((*REPEATED, *SESSION)))
def retry(
    given: dict[str, Any],
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Folder, id, or part of the id of a run.")],
    dataset: RunDatasetOption = None,
    data_dir: RunDataDirOption = None,
    results_dir: ResultsOption = Path("results"),
    batch: BatchOption = False,
    batch_file: BatchFileOption = None,
    fail_on_error: FailOnErrorOption = MOST_FAILED,
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask again for the documents of a run that did not end ok; the others keep their answers.

    Budgets count what the run has spent so far; they and the other limits are those of this command. A stored run
    chooses no server, program, key or weights: where it was made with some, they are repeated here.

    \b
    Examples:
      harness retry redocred-dev-smollm2
      harness retry redocred-dev-llama --base-url http://gpu-server:8000/v1 -M key_env=MY_KEY
    """
    from harness.errors import InputError
    from harness.runs.plan import prepare
    from harness.runs.retrying import bad_answers_of
    from harness.runs.stored_config import Repeated, config_to_ask
    from harness.runs.stored_data import DataPlace, run_data
    from harness.store import find_run
    from harness.types import PredictionSource

    folder = find_run(results_dir, run_id)
    manifest = folder.read_manifest()
    if manifest.source == PredictionSource.IMPORTED:
        raise InputError(f"{folder.run_id} was imported: there is no model here to ask again")
    if manifest.source == PredictionSource.ENCODER:
        raise InputError(f"{folder.run_id} is an encoder's run, in which no document fails: there is nothing to retry")
    stored = config_to_ask(folder, manifest, Repeated(**{one.name: given.pop(one.name) for one in REPEATED}))
    config, found = run_data(stored, folder, manifest, DataPlace(dataset, data_dir))
    config = replace(config, **{name: value for name, value in given.items() if value is not None})
    experiment = prepare(config, model_needed=False, dataset=found)
    if experiment.run_id != folder.run_id:
        raise InputError(
            f"{folder.run_id} was made with another prompt, model file, server or -M option than the one found now: "
            "type the original command to make a new run"
        )
    batches = batching(batch, batch_file)
    if batch_file is None:
        experiment.runner.check()
    run_and_show(experiment, display, as_json, fail_on_error, bad_answers_of(folder), batches=batches)


class Batching(NamedTuple):
    """That a run is asked in batches."""

    by_hand: Path | None = None
    """The file of requests that the user has answered; None for batches of the provider."""


def batching(batch: bool, batch_file: Path | None) -> Batching | None:
    """What ``--batch`` and ``--batch-file`` ask for; InputError for both."""
    from harness.errors import InputError

    if batch and batch_file:
        raise InputError("--batch asks the provider, --batch-file is answered by yourself: leave out one of them")
    return Batching(batch_file) if batch or batch_file else None


def run_and_show(
    experiment: Experiment,
    display: Display | None,
    as_json: bool,
    fail_on_error: float,
    ask_again: Mapping[str, BadAnswers] | None = None,
    track: TrackerName | None = None,
    batches: Batching | None = None,
) -> None:
    """Execute with a display, print the outcome, and exit with 1 if too many documents failed."""
    from harness.cli.display import chosen_display, make_display
    from harness.cli.summary import print_result
    from harness.runs.execute import execute

    kind = chosen_display(display, as_json)
    if experiment.settings.level != experiment.config.constrain:
        typer.echo(
            f"{experiment.spec.name} cannot be held to a grammar: it is run with --constrain none, not "
            f"{experiment.config.constrain}",
            err=True,
        )
    observer = make_display(kind)
    if batches:
        from harness.runs.batch import execute_in_batches

        work = execute_in_batches(experiment, observer, batches.by_hand, ask_again)
    else:
        work = execute(experiment, observer, ask_again)
    try:
        result = asyncio.run(work)
    finally:
        observer.close()
    if as_json:
        typer.echo(strict_json.dumps(result.as_json()))
    else:
        print_result(result)
    hand_over(result, track)
    if result.failed_too_often(fail_on_error):
        exit_as_failed(result.manifest, result.failures)


def exit_as_failed(manifest: CompleteManifest, failures: Sequence[Failure]) -> NoReturn:
    """Tell which documents have no full answer and what helps against the commonest failure, and exit with 1."""
    from harness.runs.failures import unanswered

    typer.echo(f"{unanswered(manifest)}; what helps: {failures[0].remedy}", err=True)
    raise typer.Exit(1)


def score_and_show(
    experiment: EncoderExperiment, display: Display | None, as_json: bool, track: TrackerName | None = None
) -> None:
    """Let an encoder score the documents with a progress bar, and print the outcome."""
    from harness.cli.display import default_display
    from harness.cli.summary import print_result

    result = score(experiment, display or ("none" if as_json else default_display()))
    if as_json:
        typer.echo(strict_json.dumps(result.as_json()))
    else:
        print_result(result)
    hand_over(result, track)


def hand_over(result: RunResult, track: TrackerName | None) -> None:
    """Hand a finished run to a tracker, if one is wished, and tell where it is there."""
    if track:
        from harness.tracking import track_run

        typer.echo(f"{track}: {track_run(result, track)}", err=True)


def score(experiment: EncoderExperiment, display: Display) -> RunResult:
    """Let an encoder score the documents with a progress bar."""
    from harness.cli.transfers import counting_progress
    from harness.runs.sources.encoder import execute_encoder

    experiment.scorer.check()
    with counting_progress("documents", experiment.document_count, display) as advance:
        return execute_encoder(experiment, advance)
