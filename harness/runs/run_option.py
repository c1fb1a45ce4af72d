"""What is said once of an option of a run, for command line, YAML, ablation, question, manifest and documentation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from harness.errors import InputError
from harness.types import PredictionSource

LLM, ENCODER, IMPORTED = PredictionSource.LLM, PredictionSource.ENCODER, PredictionSource.IMPORTED
_KEY = "option"


@dataclass(frozen=True, slots=True)
class RunOption:
    """The declaration of an option; ``options_of`` adds name, type and default from the field."""

    text: str
    """What it does, in one sentence for ``--help``."""
    sources: tuple[PredictionSource, ...] = (LLM,)
    """The kinds of run that take it."""
    annotates: bool = True
    """Whether `harness annotate` takes it, too, as far as it is of an LLM."""
    flags: tuple[str, ...] = ()
    """How it is typed; empty for its name with dashes."""
    env: str | None = None
    """The environment variable that sets it for every command; None for one of each command's own."""
    least: float | None = None
    """The least value; None for no bound."""
    most: float | None = None
    """The greatest value; None for no bound."""
    axis: bool = False
    """Whether an ablation can vary it."""
    in_question: bool = True
    """Whether it can change a result, and so the run's id."""
    in_prompt: bool = False
    """Whether it changes the messages that are sent for a document: `harness prompts show` takes it."""
    part: str = ""
    """The field of the question that it is part of; empty for one of its own name."""
    is_list: bool = False
    """Whether it is typed again and again; the values are kept as one text, separated by spaces."""
    may_be_path: bool = False
    """Whether it can name a file or folder."""
    bare: bool = False
    """Of an option that is typed as ``key=value``: whether a value may come without a key, which is then empty."""
    parts: Mapping[str, RunOption] = field(default_factory=dict)
    """Of an option that is typed as several: each by the name of its field in the value."""
    name: str = ""
    """The name of the field."""
    type: Any = str
    """The type of the field, without None."""
    default: Any = None
    """The default; ``MISSING`` where it has none."""

    @property
    def flag(self) -> str:
        """The long option."""
        return next((one for one in self.flags if one.startswith("--")), f"--{self.name.replace('_', '-')}")

    @property
    def is_mapping(self) -> bool:
        """Whether it is typed as ``key=value``, again and again."""
        origin = get_origin(self.type)
        return isinstance(origin, type) and issubclass(origin, Mapping)

    @property
    def is_tuple(self) -> bool:
        """Whether it is typed again and again, and its value holds them apart."""
        return get_origin(self.type) is tuple

    def read(self, text: str) -> Any:
        """The value that a text stands for; ValueError, which tells what to write, for one that is none."""
        if get_origin(self.type) is Literal:
            if text not in get_args(self.type):
                raise ValueError(f"choose {', '.join(get_args(self.type))}")
            return text
        try:
            return self.type(text)
        except ValueError:
            raise ValueError(f"give {'a whole number' if self.type is int else 'a number'}") from None

    def check(self, value: Any) -> None:
        """Raise InputError for a word that is none of the choices, and a number that is not finite or out of bounds."""
        if get_origin(self.type) is Literal and value is not None and value not in get_args(self.type):
            raise InputError(f"{self.flag} {value}: choose {', '.join(map(str, get_args(self.type)))}")
        if not isinstance(value, int | float) or (self.least is None and self.most is None):
            return
        if not math.isfinite(value):
            raise InputError(f"{self.flag} {value}: give a finite number")
        if self.least is not None and value < self.least:
            raise InputError(f"{self.flag} {value}: give {self.least:g} or more")
        if self.most is not None and value > self.most:
            raise InputError(f"{self.flag} {value}: give {self.most:g} or less")

    def typed(self, value: Any) -> Iterator[tuple[RunOption, Any]]:
        """What is typed for a value: itself, or each of its parts."""
        if not self.parts:
            yield self, value
        for name, part in self.parts.items():
            yield part, getattr(value, name)


def run_option(text: str, default: Any = MISSING, **declared: Any) -> Any:
    """A field of ``RunConfig`` with its declaration; ``declared`` are fields of ``RunOption``."""
    metadata = {_KEY: RunOption(text, **declared)}
    if isinstance(default, Mapping):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def options_of(config: type[Any]) -> dict[str, RunOption]:
    """The declarations of a configuration's options by name, in its order."""
    types = get_type_hints(config)
    return {
        one.name: _completed(
            one.metadata[_KEY],
            one.name,
            types[one.name],
            one.default if one.default_factory is MISSING else one.default_factory(),
        )
        for one in fields(config)
    }


def _completed(option: RunOption, name: str, kind: Any, default: Any) -> RunOption:
    kinds = [one for one in get_args(kind) if one is not NoneType]
    if NoneType in get_args(kind) and len(kinds) == 1:
        kind = kinds[0]
    types = get_type_hints(kind) if option.parts else {}
    parts = {one: _completed(part, one, types[one], getattr(default, one)) for one, part in option.parts.items()}
    return replace(option, name=name, type=kind, default=default, part=option.part or name, parts=parts)
