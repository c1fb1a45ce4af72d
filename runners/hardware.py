"""What this machine offers a model; found without loading a library."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from shutil import which

_CGROUP = Path("/sys/fs/cgroup")


def has_gpu() -> bool:
    """Whether this machine shows a GPU that vLLM and PyTorch can use (NVIDIA or AMD)."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists() or which("nvidia-smi") is not None


def visible_gpus(env: Mapping[str, str]) -> list[str]:
    """The GPUs that a process with this environment may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    if (chosen := env.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for part in chosen.split(",") if (name := part.strip())]
    if which("nvidia-smi") is not None:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
        count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    else:
        count = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return [str(number) for number in range(count)]


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Cores that this process may use, without hyper-threads, which only slow arithmetic down.

    Bounded by the process's affinity (``taskset``) and by the processor time of its container. A thread more than
    that makes every answer slower: the threads wait for one another.
    """
    import psutil

    counts = [psutil.cpu_count(logical=False) or psutil.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        counts.append(len(os.sched_getaffinity(0)))
    quota, _, period = _text(cgroup / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        counts.append(math.ceil(int(quota) / int(period)))
    return max(1, min(counts))


def total_memory(cgroup: Path = _CGROUP) -> int:
    """Bytes of memory that this process may use: the machine's, or its container's."""
    limit = _text(cgroup / "memory.max")
    return min(machine_memory(), int(limit)) if limit.isdecimal() else machine_memory()


def machine_memory() -> int:
    """Bytes of memory of the whole machine."""
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    import psutil

    total: int = psutil.virtual_memory().total
    return total


def free_memory() -> int:
    """Bytes of memory that are free now, or can be freed."""
    import psutil

    free: int = psutil.virtual_memory().available
    return free


def passive_threads(env: Mapping[str, str]) -> dict[str, str]:
    """The environment in which OpenMP's threads sleep while they wait, unless the user chose otherwise.

    By default they spin. Two threads on two busy cores then took 23 s and 7 s of processor time for what took 9 s
    and 3 s of processor time with sleeping threads.
    """
    return {"OMP_WAIT_POLICY": "passive", **env}


def briefly_spinning_threads(env: Mapping[str, str]) -> dict[str, str]:
    """As ``passive_threads``, but GNU's OpenMP waits some microseconds before it lets a thread sleep.

    A small model has a thousand short steps for a token, with an adapter twice as many, and its threads wait for each
    other after each. On two quiet cores two documents took 19 s with threads that sleep at once, and 6 s with these.
    """
    if env.get("OMP_WAIT_POLICY") == "active":
        return dict(env)
    return {"GOMP_SPINCOUNT": "1000", **passive_threads(env)}


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
