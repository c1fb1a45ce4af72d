"""The reference page of a run's options; ``python -m tests.runs.reference`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from harness.runs.config import RunConfig
from harness.runs.run_option import RunOption, dashed, default_of, options_of
from harness.types import PredictionSource
from tests.paths import REPOSITORY

PAGE = REPOSITORY / "docs" / "options.md"
INTRODUCTION = """\
# Options of a run

Written by `python -m tests.runs.reference` from the declarations in `harness/runs/config.py`.
On the command line each option is typed as in the first column. In `--config run.yaml` its long name has no dashes in
front. In the environment it is `HARNESS_RUN_` and the long name in capitals, with underscores for dashes.

*In Python* is the name of the field of `RunConfig`. *For* names the sources of predictions that take the option: a
language model, an encoder, imported predictions. *Axis* options can be varied by `harness ablate --axis`. *Changes the
run id*: another value is another run. How a command runs and prints (`--config`, `--display`, `--fail-on-error`,
`--track`, `--json`) is in `harness run --help`, with the name of every environment variable.

| option | in Python | default | for | axis | changes the run id | what it does |
|---|---|---|---|---|---|---|
"""
_WORDS = {PredictionSource.LLM: "LLM", PredictionSource.ENCODER: "encoder", PredictionSource.IMPORTED: "imported"}


def page() -> str:
    """The page as it must stand in ``docs``."""
    return INTRODUCTION + "".join(_rows())


def _rows() -> Iterator[str]:
    declared = options_of(RunConfig)
    for field in fields(RunConfig):
        option = declared[field.name]
        if not option.text:
            continue
        flags = " ".join(f"`{flag}`" for flag in option.flags or (f"--{dashed(field.name)}",))
        sources = "all" if set(option.sources) == set(_WORDS) else ", ".join(_WORDS[one] for one in option.sources)
        cells = [
            flags,
            f"`{field.name}`",
            _default(field.name, default_of(field)),
            sources,
            *map(_yes, (option.axis, option.in_question)),
        ]
        yield f"| {' | '.join([*cells, _text(option)])} |\n"


def _default(name: str, value: object) -> str:
    plain = isinstance(value, (int, float, str)) and not isinstance(value, bool) and value != ""
    return f"`{value}`" if plain and name != "model" else ""


def _yes(value: object) -> str:
    return "yes" if value else ""


def _text(option: RunOption) -> str:
    return option.text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
