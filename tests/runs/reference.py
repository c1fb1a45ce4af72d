"""The reference page of a run's options; ``python -m tests.runs.reference`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.runs.config import OPTIONS
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
    for option in OPTIONS.values():
        for part in option.parts or [""]:
            typed = option.parts.get(part, option)
            flags = " ".join(f"`{flag}`" for flag in typed.flags or (typed.flag,))
            sources = "all" if set(option.sources) == set(_WORDS) else ", ".join(_WORDS[one] for one in option.sources)
            cells = [
                flags,
                f"`{option.name}.{part}`" if part else f"`{option.name}`",
                _default(typed.default),
                sources,
                *map(_yes, (option.axis, option.in_question)),
                typed.text.replace("|", "\\|"),
            ]
            yield f"| {' | '.join(cells)} |\n"


def _default(value: object) -> str:
    return f"`{value}`" if isinstance(value, int | float | str | Path) and value != "" else ""


def _yes(value: object) -> str:
    return "yes" if value else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
