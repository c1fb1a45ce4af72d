"""What this machine offers a model; found without loading a library."""

from __future__ import annotations

from pathlib import Path
from shutil import which


def has_gpu() -> bool:
    """Whether this machine shows a GPU that vLLM and PyTorch can use (NVIDIA or AMD)."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists() or which("nvidia-smi") is not None


def physical_cores() -> int:
    """Cores of this machine without hyper-threads, which only slow arithmetic down."""
    import psutil

    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
