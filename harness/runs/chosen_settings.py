"""Settings that were chosen by the scores of documents: recorded with the run that has them, found by later runs.

A sweep records its theta, a calibration its temperatures, a search all that it varied, each with the content hashes of
the documents that it was chosen by. A run that is given such a value is told how many of its own documents chose it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.alignment.relations import DEFAULT_THETA
from harness.datasets.content import content_hash
from harness.errors import InputError
from harness.methods.questions import LEAST
from harness.methods.voting import LEAST_SHARE
from harness.prompting.variant import GENERAL_OPTIONS, LEAST_SCORE, load_variant
from harness.refiners.options import RefineOptions
from harness.runs.config import OPTIONS, RunConfig
from harness.runs.planned_run import Scope
from harness.store import RunFolder

CHOSEN = "chosen"
"""The folder, inside that of a run, of what was chosen by its documents."""

THETA = "theta"
THRESHOLD = "threshold"
VOTE_SHARE = "vote_share"
"""The least share of the votes of samples; another setting than the threshold of a model's own scores."""
SEARCH = "search"
TEMPERATURES = ("model_temperature", "encoder_temperature")

# A value may be typed with fewer digits than it was found with.
_ROUNDING = 0.02


def record_choice(folder: RunFolder, setting: str, value: float, contents: Collection[bytes]) -> None:
    """Record that ``setting`` was chosen by documents of a run; ``contents`` are their content hashes."""
    _record(folder, f"{setting}-{value:.3g}", {"setting": setting, "value": value}, contents)


def record_search(folder: RunFolder, options: Mapping[str, str], contents: Collection[bytes]) -> None:
    """Record that a search chose these ``options``, by the names of their axes, by documents of its runs."""
    _record(folder, SEARCH, {"setting": SEARCH, "options": dict(options)}, contents)


def _record(folder: RunFolder, name: str, chosen: Mapping[str, object], contents: Collection[bytes]) -> None:
    documents = sorted(content.hex() for content in contents)
    digest = hashlib.sha256("".join([json.dumps(chosen, sort_keys=True), *documents]).encode()).hexdigest()[:8]
    with folder.storing():
        (folder.path / CHOSEN).mkdir(exist_ok=True)
        partial = folder.path / CHOSEN / f"{name}-{digest}.json.partial"
        partial.write_text(json.dumps({**chosen, "documents": documents}) + "\n")
        partial.replace(folder.path / CHOSEN / f"{name}-{digest}.json")


def chosen_settings(scope: Scope) -> list[dict[str, Any]]:
    """For the manifest: the options of a run that are known to be chosen by its own documents, and by how many.

    Known are the choices recorded in its results folder. A default is no choice. Raises InputError for a damaged
    record.
    """
    choices = [(option, _choosing(scope.config.results, setting, value)) for option, setting, value in _given(scope)]
    choices += [(typed(options), iter([documents])) for options, documents in _searches(scope)]
    found: dict[str, int] = {}
    for option, choosing in choices:
        chose = set[str]().union(*choosing)
        documents = sum(content_hash(document).hex() in chose for document in scope.documents) if chose else 0
        found[option] = max(documents, found.get(option, 0))
    return [
        {"option": option, "documents": documents, "of": scope.document_count}
        for option, documents in found.items()
        if documents
    ]


def typed(options: Mapping[str, str]) -> str:
    """Options by the names of axes, as they are typed."""
    return " ".join(
        f"{OPTIONS[name].flag} {value}" if name in OPTIONS else f"-P {name}={value}" for name, value in options.items()
    )


def _searches(scope: Scope) -> Iterator[tuple[dict[str, str], list[str]]]:
    """The options, as far as they are no defaults, and the documents of every recorded search that chose this run's.

    A search whose choice has defaults alone chose nothing.
    """
    config = scope.config
    for content in _recorded(config.results, SEARCH):
        options = {str(name): str(value) for name, value in content["options"].items()}
        changed = {name: value for name, value in options.items() if not _is_default(config, name, value)}
        if changed and all(_has(config, name, value) for name, value in options.items()):
            yield changed, [str(document) for document in content["documents"]]


def _has(config: RunConfig, name: str, value: str) -> bool:
    if name in OPTIONS:
        return bool(getattr(config, name) == _value(name, value))
    return config.prompt_options.get(name, _default(config, name)) == value


def _is_default(config: RunConfig, name: str, value: str) -> bool:
    if name in OPTIONS:
        return bool(_value(name, value) == OPTIONS[name].default)
    return value == _default(config, name)


def _value(name: str, text: str) -> object:
    try:
        return OPTIONS[name].read(text)
    except ValueError:  # a value of another version of the harness, which no run of this one has
        return text


def _default(config: RunConfig, name: str) -> str | None:
    """The default of an option of the run's prompt; None for one that it has not."""
    variant = load_variant(config.prompt)
    option = {**variant.description.left_open, **GENERAL_OPTIONS}.get(name)
    return str(option.default) if option else None


def _given(scope: Scope) -> Iterator[tuple[str, str, float]]:
    """Options that could have been chosen by documents and are no defaults: as typed, name of the setting, value."""
    config = scope.config
    if config.theta is not None and config.theta != DEFAULT_THETA:
        yield f"--theta {config.theta:g}", THETA, config.theta
    for name in (LEAST, LEAST_SCORE):
        if (least := config.prompt_options.get(name)) is not None and least.isdecimal():
            yield f"-P {name}={least}", THRESHOLD, int(least) / 100
    if config.vote_share is not None and config.vote_share != LEAST_SHARE:
        yield f"--vote-share {config.vote_share:g}", VOTE_SHARE, config.vote_share
    options = RefineOptions.of(config.refine_options)
    for name in TEMPERATURES:
        if (value := getattr(options, name)) != getattr(RefineOptions, name):
            yield f"-R {name}={value:g}", name, value


def _choosing(results: Path, setting: str, value: float) -> Iterator[list[str]]:
    """The documents of every recorded choice of that value."""
    for content in _recorded(results, setting):
        if math.isclose(value, content["value"], rel_tol=_ROUNDING):
            yield [str(document) for document in content["documents"]]


def _recorded(results: Path, setting: str) -> Iterator[dict[str, Any]]:
    """What was recorded of every choice of a setting; raises InputError for a damaged record."""
    field: tuple[str, type | tuple[type, ...]] = ("options", dict) if setting == SEARCH else ("value", (int, float))
    for path in sorted((results / "runs").glob(f"*/{CHOSEN}/{setting}-*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content[field[0]], field[1]) or not isinstance(content["documents"], list):
                raise TypeError("its fields are of other types")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); remove it, and type its `harness sweep`, `calibrate` or `ablate` "
                "again"
            ) from error
        yield content
