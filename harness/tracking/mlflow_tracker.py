"""A run in MLflow, through its client only: no active run of the caller is touched, no user or source is recorded."""

from __future__ import annotations

import os
import time

from harness.errors import InputError
from harness.tracking.content import TrackedRun

RUN_ID_TAG = "harness.run_id"


def log(run: TrackedRun, project: str) -> str:
    """Create the run in the experiment (``MLFLOW_EXPERIMENT_NAME``, or ``project``), or update it there.

    Returns ``experiment/run id``; raises InputError with what MLflow says.
    """
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", project)
    try:
        client = MlflowClient()
        experiment = client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(name)
        known = client.search_runs([experiment_id], f"tags.`{RUN_ID_TAG}` = '{run.tags[RUN_ID_TAG]}'", max_results=1)
        run_id = (known[0] if known else client.create_run(experiment_id, run_name=run.name)).info.run_id
        now = int(time.time() * 1000)
        client.log_batch(
            run_id,
            metrics=[Metric(metric, value, now, 0) for metric, value in run.metrics.items()],
            params=[Param(parameter, str(value)) for parameter, value in run.parameters.items()],
            tags=[RunTag(tag, value) for tag, value in run.tags.items()],
        )
        for file in run.files:
            client.log_artifact(run_id, str(file))
        client.set_terminated(run_id)
    except (MlflowException, OSError) as error:
        raise InputError(f"MLflow: {' '.join(str(error).split())}") from error
    return f"{name}/{run_id}"
