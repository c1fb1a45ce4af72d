"""The grid of an ablation: axes of prompt options and run options, and a configuration for every cell."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.errors import InputError
from harness.prompting.variant import load_variant
from harness.runs.config import OPTIONS, RunConfig

Cell = Mapping[str, str]
"""One value for every axis."""


@dataclass(frozen=True)
class Axis:
    """What is varied, and its values; the first is what the others are compared with."""

    name: str
    values: tuple[str, ...]

    @property
    def baseline(self) -> str:
        return self.values[0]


RUN_AXES = {name: option for name, option in OPTIONS.items() if option.axis}
"""Options of a run that can be varied; every other axis is an option of the prompt."""


def read_axes(texts: Sequence[str], config: RunConfig) -> tuple[Axis, ...]:
    """Axes from ``name=a,b``; raises InputError for a name or a value that no run of ``config`` could have."""
    axes: list[Axis] = []
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.replace("-", "_")
        listed = tuple(dict.fromkeys(value.strip() for value in values.split(",") if value.strip()))
        if not equals or len(listed) < 2:
            raise InputError(f"--axis {text!r}: write it as --axis name=a,b with at least two different values")
        if name in config.prompt_options:
            raise InputError(f"--axis {name} varies what -P {name}={config.prompt_options[name]} sets: leave out one")
        if name in [axis.name for axis in axes]:
            raise InputError(f"--axis {name} is given twice: list all its values in one")
        axes.append(Axis(name, listed))
    if not axes:
        raise InputError("an ablation needs something to vary: --axis refs=id,name")
    prompts = next((axis.values for axis in axes if axis.name == "prompt"), (config.prompt,))
    for prompt in prompts if any(axis.name == "prompt" for axis in axes) else ():
        load_variant(prompt)
    for axis in axes:
        for value in axis.values:
            _check(axis.name, value, prompts)
    return tuple(axes)


def cells(axes: Sequence[Axis]) -> list[Cell]:
    """Every combination of values; the last axis varies fastest."""
    return [
        dict(zip((axis.name for axis in axes), values, strict=True))
        for values in itertools.product(*(axis.values for axis in axes))
    ]


def configuration(config: RunConfig, cell: Cell) -> RunConfig:
    """``config`` with the values of a cell."""
    fields = {name: RUN_AXES[name].read(value) for name, value in cell.items() if name in RUN_AXES}
    options = {name: value for name, value in cell.items() if name not in RUN_AXES}
    return replace(config, **fields, prompt_options={**config.prompt_options, **options})


def _check(name: str, value: str, prompts: Sequence[str]) -> None:
    if name in RUN_AXES:
        try:
            RUN_AXES[name].check(RUN_AXES[name].read(value))
        except (ValueError, InputError) as error:
            raise InputError(f"--axis {name}={value}: {error}") from None
        return
    for prompt in prompts:
        variant = load_variant(prompt)
        try:
            variant.choose({name: value})
        except InputError as error:
            others = "" if name in variant.description.left_open else f"; axes of the run are {', '.join(RUN_AXES)}"
            raise InputError(f"--axis {name}={value}: {error}{others}") from None
