"""Runs a command for a parent process and ends it, with all it started, when the parent is gone.

Used as a script: ``python guard.py COMMAND ...`` with a pipe as standard input. The pipe closes when
the parent closes it, exits, or is killed in whatever way, on every platform; no signal handler of the
parent is needed. It imports nothing of the project, so that any interpreter can run it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

GRACE_S = 15.0
# linux/prctl.h
_PR_SET_PDEATHSIG = 1


def main(command: list[str]) -> int:
    """Run ``command`` until it ends or standard input closes; return its exit code."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_this_process if sys.platform == "linux" else None,
    )
    threading.Thread(target=_stop_at_end_of_input, args=(child.pid,), daemon=True).start()
    code = child.wait()
    # Workers that outlive their server would keep its memory and its GPUs.
    _signal_group(child.pid, signal.SIGKILL)
    return code if code >= 0 else 128 - code


def _end_with_this_process() -> None:
    """Ask Linux to send this process SIGTERM when its parent, the guard, is killed: Ray kills a worker's children."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop_at_end_of_input(group: int) -> None:
    # Not through sys.stdin, whose lock a thread may not hold when the interpreter ends.
    while os.read(0, 1 << 16):
        pass
    _signal_group(group, signal.SIGTERM)
    time.sleep(GRACE_S)
    _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
