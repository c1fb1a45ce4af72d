"""What holds for every process of the tests."""

from __future__ import annotations

import os

# torch reads it when it is loaded, which test modules do before the command line sets it. Threads that spin while the
# other test processes have the cores took three times the processor time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _keep_to_own_cores() -> None:
    """Give this process of several its share of the cores, for its children, too.

    Models take a thread for each core that they may use. Where every process has as many threads as all cores, each
    waits for those of the others, and llama.cpp is several times slower.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if 1 < processes <= len(cores):
        os.sched_setaffinity(0, cores[number::processes])


_keep_to_own_cores()
