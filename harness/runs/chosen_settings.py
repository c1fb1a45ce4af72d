"""Settings that were chosen by the scores of documents: recorded with the run that has them, found by later runs.

A sweep records its theta, a calibration its temperatures, each with the content hashes of the documents that it was
chosen by. A run that is given such a value is told how many of its own documents chose it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from harness.alignment.relations import DEFAULT_THETA
from harness.datasets.content import content_hash
from harness.errors import InputError
from harness.methods.questions import LEAST
from harness.refiners.options import RefineOptions
from harness.runs.planned_run import Scope
from harness.store import RunFolder

CHOSEN = "chosen"
"""The folder, inside that of a run, of what was chosen by its documents."""

THETA = "theta"
THRESHOLD = "threshold"
TEMPERATURES = ("model_temperature", "encoder_temperature")

# A value may be typed with fewer digits than it was found with.
_ROUNDING = 0.02


def record_choice(folder: RunFolder, setting: str, value: float, contents: Collection[bytes]) -> None:
    """Record that ``setting`` was chosen by documents of a run; ``contents`` are their content hashes."""
    documents = sorted(content.hex() for content in contents)
    name = f"{setting}-{value:.3g}-{hashlib.sha256(''.join(documents).encode()).hexdigest()[:8]}.json"
    with folder.storing():
        (folder.path / CHOSEN).mkdir(exist_ok=True)
        partial = folder.path / CHOSEN / f"{name}.partial"
        partial.write_text(json.dumps({"setting": setting, "value": value, "documents": documents}) + "\n")
        partial.replace(folder.path / CHOSEN / name)


def chosen_settings(scope: Scope) -> list[dict[str, Any]]:
    """For the manifest: the options of a run that are known to be chosen by its own documents, and by how many.

    Known are the choices recorded in its results folder. A default is no choice. Raises InputError for a damaged
    record.
    """
    found = []
    for option, setting, value in _given(scope):
        chose = set[str]().union(*_choosing(scope.config.results, setting, value))
        documents = sum(content_hash(document).hex() in chose for document in scope.documents) if chose else 0
        if documents:
            found.append({"option": option, "documents": documents, "of": scope.document_count})
    return found


def _given(scope: Scope) -> Iterator[tuple[str, str, float]]:
    """Options that could have been chosen by documents and are no defaults: as typed, name of the setting, value."""
    config = scope.config
    if config.theta is not None and config.theta != DEFAULT_THETA:
        yield f"--theta {config.theta:g}", THETA, config.theta
    if (least := config.prompt_options.get(LEAST)) is not None and least.isdecimal():
        yield f"-P {LEAST}={least}", THRESHOLD, int(least) / 100
    options = RefineOptions.of(config.refine_options)
    for name in TEMPERATURES:
        if (value := getattr(options, name)) != getattr(RefineOptions, name):
            yield f"-R {name}={value:g}", name, value


def _choosing(results: Path, setting: str, value: float) -> Iterator[list[str]]:
    """The documents of every recorded choice of that value."""
    for path in sorted((results / "runs").glob(f"*/{CHOSEN}/{setting}-*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if math.isclose(value, content["value"], rel_tol=_ROUNDING):
                yield [str(document) for document in content["documents"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); remove it, and type its `harness sweep` or `calibrate` again"
            ) from error
