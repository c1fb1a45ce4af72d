"""The options of commands that make runs, built from the declarations of ``RunConfig``."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable
from dataclasses import MISSING
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from harness.cli.config_file import model_options, read_configuration
from harness.cli.options import key_values, typer_option
from harness.runs.config import OPTIONS, RunConfig
from harness.runs.run_option import RunOption

Result = TypeVar("Result")
Fields = Callable[..., dict[str, Any]]


def fields_from(options: Iterable[RunOption]) -> Fields:
    """The function that Typer would be given to take these options: it returns the fields of a ``RunConfig``.

    Options whose default was replaced by None are None where they are not given.
    """
    taken = list(options)

    def fields(**given: Any) -> dict[str, Any]:
        return {option.name: _value(option, given) for option in taken}

    parameters = [_parameter(typed) for option in taken for typed in option.parts.values() or [option]]
    fields.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by inspect
    return fields


def fields_of_run(options: Iterable[RunOption]) -> Fields:
    """As ``fields_from``, with ``--config`` and what such a file and the environment may decide of the model."""
    fields_given = fields_from(options)

    def fields(
        context: typer.Context,
        config: Annotated[
            Path | None,
            typer.Option(callback=read_configuration, is_eager=True, help="YAML with options; flags win."),
        ] = None,
        **given: Any,
    ) -> dict[str, Any]:
        found = fields_given(**given)
        model, base_url = found["model"], found["base_url"]
        pairs = given[_parameter_name(OPTIONS["model_options"])]
        return found | {
            "model_options": model_options(context, config, model, base_url, pairs),
            "base_url": _server(model, base_url),
        }

    context, config, _ = _parameters(fields)
    parameters = [context, *_parameters(fields_given), config]
    fields.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by inspect
    return fields


def with_options_of(
    *groups: Fields, own_first: bool = False
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """A command whose first parameter is a dictionary of fields takes the options of ``groups`` instead.

    Typer reads the options from a signature; this one holds those of the groups, then the command's own, or the
    other way round.
    """

    def decorate(command: Callable[..., Result]) -> Callable[..., Result]:
        own = _parameters(command)[1:]
        shared = {group: _parameters(group) for group in groups}

        def taking_options(*arguments: Any, **options: Any) -> Result:
            fields: dict[str, Any] = {}
            for group, parameters in shared.items():
                fields |= group(**{one.name: options.pop(one.name, one.default) for one in parameters})
            return command(fields, *arguments, **options)

        taking_options.__name__, taking_options.__doc__ = command.__name__, command.__doc__
        of_groups = [*itertools.chain(*shared.values())]
        signature = inspect.Signature([*own, *of_groups] if own_first else [*of_groups, *own])
        taking_options.__signature__ = signature  # type: ignore[attr-defined] # read by inspect
        return taking_options

    return decorate


def with_run_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """``command``, whose first parameter is a ``RunConfig``, as a command that takes all options of a run instead."""

    @functools.wraps(command)
    def configured(fields: dict[str, Any], **own: Any) -> Result:
        return command(RunConfig(**fields), **own)

    return with_options_of(fields_of_run(OPTIONS.values()))(configured)


def _server(model: str, base_url: str | None) -> str | None:
    """The address of the server, with a note where the environment names it."""
    from harness.models import given_base_url

    given = given_base_url(model, base_url)
    if given and not base_url:
        typer.echo(f"note: $OPENAI_BASE_URL names the server of {model}: {given.partition('?')[0]}", err=True)
    return given


def _parameter(option: RunOption) -> inspect.Parameter:
    kind = list[str] if option.is_mapping or option.is_list or option.is_tuple else option.type
    default = None if option.is_mapping or option.is_tuple else option.default
    return inspect.Parameter(
        _parameter_name(option),
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=Annotated[kind | None if default is None else kind, typer_option(option)],
    )


def _parameter_name(option: RunOption) -> str:
    """The long option as Typer would derive it back, which names the environment variable, too."""
    return option.flag.removeprefix("--").replace("-", "_")


def _value(option: RunOption, given: dict[str, Any]) -> Any:
    if option.parts:
        return option.type(**{name: given[_parameter_name(part)] for name, part in option.parts.items()})
    value = given[_parameter_name(option)]
    if option.is_list:
        return " ".join(value) if value else None
    if option.is_tuple:
        return tuple(value or ())
    return key_values(value, option.flags[0], bare=option.bare) if option.is_mapping else value


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    """The parameters as keywords, annotations resolved."""
    hints = get_type_hints(function, include_extras=True)
    return [
        parameter.replace(
            kind=inspect.Parameter.KEYWORD_ONLY,
            # Those of options are resolved, and may have the name of a parameter that the function has besides.
            annotation=hints[name] if isinstance(parameter.annotation, str) else parameter.annotation,
        )
        for name, parameter in inspect.signature(function).parameters.items()
    ]
