"""A run in Weights & Biases, without what its client would add by itself: command line, code, git remote, machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from harness.errors import InputError
from harness.tracking.content import TrackedRun

_ID_LENGTH = 32


def refuse_local_server(settings: Path) -> None:
    """Raise InputError where the working folder, which may come from elsewhere, chooses who is sent the key."""
    try:
        names = "base_url" in settings.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if names and "WANDB_BASE_URL" not in os.environ:
        raise InputError(f"{settings} names a server: set WANDB_BASE_URL to its address, if it is right")


def log(run: TrackedRun, project: str) -> str:
    """Create the run in the project (``WANDB_PROJECT``, or ``project``), or update it there.

    Returns the run's address, or in offline mode the folder that ``wandb sync`` uploads; raises InputError with what
    the client says.
    """
    import wandb

    settings = wandb.Settings(
        console="off",
        silent=True,
        disable_code=True,
        disable_git=True,
        save_code=False,
        disable_job_creation=True,
        program="harness",
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    refuse_local_server(Path(settings.settings_workspace))
    try:
        logged = wandb.init(
            project=os.environ.get("WANDB_PROJECT", project),
            # The same stored run is the same run there.
            id=hashlib.sha256(run.name.encode()).hexdigest()[:_ID_LENGTH],
            name=run.name,
            config=dict(run.parameters),
            tags=[f"{tag.removeprefix('harness.')}={value}"[:64] for tag, value in run.tags.items()],
            resume="allow",
            settings=settings,
        )
        logged.summary.update(dict(run.metrics))
        artifact = wandb.Artifact(f"run-{logged.id}", type="docre-run")
        for file in run.files:
            artifact.add_file(str(file))
        logged.log_artifact(artifact)
        where = Path(logged.dir).parent if logged.offline else logged.url
        logged.finish()
    except (wandb.Error, OSError, ValueError) as error:
        raise InputError(f"Weights & Biases: {' '.join(str(error).split())}; or set WANDB_MODE=offline") from error
    return str(where)
