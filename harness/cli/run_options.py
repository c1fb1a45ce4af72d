"""The options that say what a run is, for every command that makes runs."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from harness.cli.config_file import model_options, read_configuration
from harness.cli.options import (
    AlignOption,
    AlignOverOption,
    CandidatesOption,
    DataDirOption,
    MaxCostOption,
    MaxTimeOption,
    MaxTokensTotalOption,
    ModelOptionsOption,
    PromptOptionsOption,
    RefineOption,
    RefineOptionsOption,
    RelationTextsOption,
    ResultsOption,
    ShotsFromOption,
    ShotsOption,
    ThetaOption,
    declared,
    key_values,
)
from harness.engine.budget import Limits
from harness.runs.config import RunConfig
from harness.types import ConstraintLevel

Result = TypeVar("Result")
Fields = Callable[..., dict[str, Any]]


def model_fields(
    context: typer.Context,
    model: Annotated[str, declared("model")],
    prompt_option: PromptOptionsOption = None,
    model_option: ModelOptionsOption = None,
    limit: Annotated[int | None, declared("limit")] = None,
    max_triplets: Annotated[int | None, declared("max_triplets")] = None,
    max_tokens: Annotated[int | None, declared("max_tokens")] = None,
    temperature: Annotated[float, declared("temperature")] = RunConfig.temperature,
    top_p: Annotated[float, declared("top_p")] = RunConfig.top_p,
    seed: Annotated[int, declared("seed")] = RunConfig.seed,
    base_url: Annotated[str | None, declared("base_url")] = None,
    max_connections: Annotated[int, declared("max_connections")] = RunConfig.max_connections,
    max_retries: Annotated[int, declared("max_retries")] = RunConfig.max_retries,
    timeout: Annotated[float | None, declared("timeout_s")] = None,
    max_time: MaxTimeOption = None,
    max_tokens_total: MaxTokensTotalOption = None,
    max_cost: MaxCostOption = None,
    results_dir: ResultsOption = RunConfig.results,
    config: Annotated[
        Path | None,
        typer.Option(callback=read_configuration, is_eager=True, help="YAML with options; flags win."),
    ] = None,
) -> dict[str, Any]:
    """The fields of a ``RunConfig`` that say which model is asked, how, and within which limits."""
    return {
        "model": model,
        "prompt_options": key_values(prompt_option, "-P"),
        "model_options": model_options(context, config, model, base_url, model_option),
        "limit": limit,
        "max_triplets": max_triplets,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "seed": seed,
        "base_url": _server(model, base_url),
        "max_connections": max_connections,
        "max_retries": max_retries,
        "timeout_s": timeout,
        "limits": Limits(tokens=max_tokens_total, cost_usd=max_cost, seconds=max_time),
        "results": results_dir,
    }


def _server(model: str, base_url: str | None) -> str | None:
    """The address of the server, with a note where the environment names it."""
    from harness.models import given_base_url

    given = given_base_url(model, base_url)
    if given and not base_url:
        typer.echo(f"note: $OPENAI_BASE_URL names the server of {model}: {given.partition('?')[0]}", err=True)
    return given


def question_fields(
    prompt: Annotated[str, declared("prompt")] = RunConfig.prompt,
    dataset: Annotated[str, declared("dataset")] = RunConfig.dataset,
    split: Annotated[str | None, declared("split")] = None,
    data_dir: DataDirOption = None,
    constrain: Annotated[ConstraintLevel, declared("constrain")] = RunConfig.constrain,
    candidates: CandidatesOption = None,
    refine: RefineOption = None,
    refine_option: RefineOptionsOption = None,
    relation_texts: RelationTextsOption = None,
    shots: ShotsOption = RunConfig.shots,
    shots_from: ShotsFromOption = None,
    align: AlignOption = None,
    theta: ThetaOption = None,
    align_over: AlignOverOption = None,
    repeat: Annotated[int, declared("repeat")] = RunConfig.repeat,
    samples: Annotated[int, declared("samples")] = RunConfig.samples,
    vote_share: Annotated[float | None, declared("vote_share")] = None,
) -> dict[str, Any]:
    """The fields of a ``RunConfig`` that say what is asked about which documents."""
    return {
        "prompt": prompt,
        "dataset": dataset,
        "split": split,
        "data_dir": data_dir,
        "constrain": constrain,
        "candidates": candidates,
        "refine": refine,
        "refine_options": key_values(refine_option, "-R"),
        "relation_texts": relation_texts,
        "shots": shots,
        "shots_from": shots_from,
        "align": align,
        "theta": theta,
        "align_over": align_over,
        "repeat": repeat,
        "samples": samples,
        "vote_share": vote_share,
    }


def with_options_of(*groups: Fields) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """A command whose first parameter is a dictionary of fields takes the options of ``groups`` instead.

    Typer reads the options from a signature; this one holds those of the groups, then the command's own.
    """

    def decorate(command: Callable[..., Result]) -> Callable[..., Result]:
        own = _parameters(command)[1:]
        shared = {group: _parameters(group) for group in groups}

        def taking_options(**options: Any) -> Result:
            fields: dict[str, Any] = {}
            for group, parameters in shared.items():
                fields |= group(**{parameter.name: options.pop(parameter.name) for parameter in parameters})
            return command(fields, **options)

        taking_options.__name__, taking_options.__doc__ = command.__name__, command.__doc__
        signature = inspect.Signature([*itertools.chain(*shared.values()), *own])
        taking_options.__signature__ = signature  # type: ignore[attr-defined] # read by inspect
        return taking_options

    return decorate


def with_run_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """``command``, whose first parameter is a ``RunConfig``, as a command that takes all options of a run instead."""

    @functools.wraps(command)
    def configured(fields: dict[str, Any], **own: Any) -> Result:
        return command(RunConfig(**fields), **own)

    return with_options_of(model_fields, question_fields)(configured)


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    """The parameters as keywords, annotations resolved."""
    hints = get_type_hints(function, include_extras=True)
    return [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints.get(name))
        for name, parameter in inspect.signature(function).parameters.items()
    ]
