"""The table of trackers, and handing a run to one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

from harness.errors import InputError
from harness.runs.results import RunResult
from harness.tracking.content import TrackedRun, tracked

Tracker = Literal["mlflow", "wandb"]

PROJECT = "docre-harness"
"""The experiment (MLflow) or project (Weights & Biases), unless the tracker's own variable names another."""

_MODULES: Mapping[Tracker, str] = {
    "mlflow": "harness.tracking.mlflow_tracker",
    "wandb": "harness.tracking.wandb_tracker",
}


def check_tracker(tracker: Tracker) -> None:
    """Raise InputError at once if the tracker's package is not installed."""
    if find_spec(tracker) is None:
        raise InputError(f"{tracker} is not installed: pip install 'docre-harness[tracking]'")


def track_run(result: RunResult, tracker: Tracker) -> str:
    """Hand a complete run to a tracker; returns where it is to be found there.

    Where it goes and who may write is the tracker's own configuration (``MLFLOW_TRACKING_URI``, ``WANDB_MODE=offline``,
    ...). The same run tracked again updates what is there. Raises InputError if the package is missing or the
    tracker refuses.
    """
    check_tracker(tracker)
    log: Callable[[TrackedRun, str], str] = import_module(_MODULES[tracker]).log
    return log(tracked(result), PROJECT)
