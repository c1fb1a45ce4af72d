"""No model server outlives the process that asked for it, whichever process between them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runners.server_process import guarded

SERVER = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits only for whoever inherited it to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell a process nothing of its parent's end")
@pytest.mark.parametrize("killed", ["guard", "asker"])
def test_a_server_ends_with_its_guard_and_with_whoever_holds_the_pipe(killed: str) -> None:
    with subprocess.Popen(
        guarded([sys.executable, "-c", SERVER]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as guard:
        assert guard.stdin
        assert guard.stdout
        server = int(guard.stdout.readline())
        assert not has_ended(server)
        if killed == "guard":  # Ray kills the children of a worker, and not theirs
            os.kill(guard.pid, signal.SIGKILL)
        else:
            guard.stdin.close()
        assert guard.stdout.read() == "", "the server held the other end until it ended"
    deadline = time.monotonic() + 10
    while not has_ended(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert has_ended(server)
