"""One training in several processes: started by torch's elastic launcher, which ends all of them where one fails.

Each process runs the same command. Accelerate finds the others by the environment, adds up gradients, and says which of
them is the main one, the only one that writes files and tells of the training.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError, InputError
from runners.hardware import has_gpu, usable_cores, visible_gpus

AUTO = "auto"
# The process that started this one.
_PARENT = "HARNESS_TRAINING_PARENT"
_WAIT_FOR_MAIN_S = 5.0
_CHECK_PARENT_S = 1.0
_END_S = 10
_ERROR = re.compile(r"^error: .*", re.MULTILINE)


def is_one_of_several() -> bool:
    """Whether this process is one of those of a training; the launcher of torch or accelerate says so."""
    return "LOCAL_RANK" in os.environ


def is_main() -> bool:
    """Whether this process is the one that writes and tells: the only one, or the first."""
    return os.environ.get("RANK", "0") == "0"


def on_this_machine() -> int:
    """How many processes of the training share this machine's cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def count_of(asked: str | None, *, on_cpu: bool) -> int:
    """How many processes ``--processes`` asks for: one where it is not given, one for each GPU where it is ``auto``.

    Raises InputError for what is no number of processes, and where there are fewer GPUs.
    """
    if asked is None:
        return 1
    gpus = len(visible_gpus(os.environ)) if has_gpu() and not on_cpu else 0
    if asked == AUTO:
        return max(1, gpus)
    if not (asked.isdecimal() and 1 <= int(asked) <= 1024):
        raise InputError(f"--processes {asked}: give a number of processes, or auto for one on each GPU")
    if gpus and int(asked) > gpus:
        raise InputError(f"--processes {asked}: there are {gpus} GPUs here, and each process needs one of its own")
    return int(asked)


def run_in_processes(count: int, words: Sequence[str]) -> int:
    """Run Python with ``words`` in ``count`` processes until all have ended; the exit code of the first that failed."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # The launcher tells of a failure in a page; the process that failed has told it in a line.
    logging.disable()
    os.environ[_PARENT] = str(os.getpid())
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // count)))
    with tempfile.TemporaryDirectory(prefix="docre-harness-") as folder:
        others = dict.fromkeys(range(1, count), Std.ALL)
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=f"docre-harness-{os.getpid()}",
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            shutdown_timeout=_END_S,
            logs_specs=DefaultLogsSpecs(folder, redirects={0: Std.NONE, **others}),
        )
        try:
            elastic_launch(config, sys.executable)(*words)
        except ChildFailedError as error:
            first, failure = error.get_first_failure()
            return _told(Path(folder), first, failure.exitcode)
        except SignalException as stopped:
            return 3 if stopped.sigval.name == "SIGINT" else 128 + stopped.sigval.value
    return 0


@contextmanager
def among_others() -> Iterator[None]:
    """Around the work of a process: it ends with the one that started it, and lets the main one tell of an error."""
    if _PARENT in os.environ:
        threading.Thread(target=_end_with, args=(int(os.environ[_PARENT]),), daemon=True).start()
    try:
        yield
    except HarnessError:
        if is_one_of_several() and not is_main():
            # The same is wrong in all of them, mostly: the main process, whose line is seen, is to fail first.
            time.sleep(_WAIT_FOR_MAIN_S)
        raise


def _end_with(parent: int) -> None:
    """End this process once ``parent`` is no longer its parent: it was killed, and could end nothing itself."""
    while os.getppid() == parent:
        time.sleep(_CHECK_PARENT_S)
    os._exit(3)


def _told(folder: Path, place: int, code: int) -> int:
    """Tell the error of a process whose output is in ``folder``, and give back the exit code."""
    if place == 0 and code > 0:
        return code
    logs = [file.read_text(encoding="utf-8", errors="replace") for file in folder.glob(f"*/*/{place}/stderr.log")]
    lines = [line for log in logs for line in _ERROR.findall(log)]
    if lines:
        print(lines[-1], file=sys.stderr, flush=True)
    else:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        last = next((line for log in logs for line in reversed(log.splitlines()) if line.strip()), "")
        print(
            f"error: process {place} of the training {how}{f' ({last.strip()})' if last else ''}: if memory ran out, "
            "give fewer --processes; the same command resumes",
            file=sys.stderr,
            flush=True,
        )
    return code if code > 0 else 2
