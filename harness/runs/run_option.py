"""What is said once of an option of a run, wherever it appears: command line, YAML, ablation, manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from harness.types import PredictionSource

LLM, ENCODER, IMPORTED = PredictionSource.LLM, PredictionSource.ENCODER, PredictionSource.IMPORTED
_KEY = "option"


@dataclass(frozen=True, slots=True)
class RunOption:
    """The declaration of an option, beside its name, type and default."""

    text: str
    """What it does, in one sentence for ``--help``."""
    sources: tuple[PredictionSource, ...]
    """The kinds of run that take it."""
    flags: tuple[str, ...]
    """How it is typed; empty for its name with dashes."""
    least: float | None
    """The least value; None for no bound."""
    most: float | None
    """The greatest value; None for no bound."""
    axis: Callable[[str], Any] | None
    """Reads a value of an ablation's axis; None for an option that is not varied."""
    in_question: bool
    """Whether it can change a result, and so the run's id."""
    is_later: bool
    """Whether manifests of this layout were first written without it, which means its default."""


def run_option(
    text: str,
    default: Any = MISSING,
    *,
    sources: tuple[PredictionSource, ...] = (LLM,),
    flags: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
    axis: Callable[[str], Any] | None = None,
    in_question: bool = True,
    is_later: bool = False,
) -> Any:
    """A field of ``RunConfig`` with its declaration, see ``RunOption``."""
    metadata = {_KEY: RunOption(text, sources, flags, least, most, axis, in_question, is_later)}
    if isinstance(default, Mapping):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def options_of(config: type[Any]) -> dict[str, RunOption]:
    """The declarations of a configuration's options by name, in its order."""
    return {one.name: one.metadata[_KEY] for one in fields(config)}


def default_of(one: Field[Any]) -> Any:
    """The default of an option; ``MISSING`` where it has none."""
    return one.default if one.default_factory is MISSING else one.default_factory()


def dashed(name: str) -> str:
    """The name of a field as a long option has it."""
    return name.replace("_", "-")
