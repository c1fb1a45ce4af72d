"""What a run ran on: package versions, git commit, hardware; recorded, never used."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "docre-harness",
    "httpx2",
    "xllamacpp",
    "vllm",
    "outlines",
    "peft",
    "jinja2",
    "rapidfuzz",
    "pydantic",
    "sentence-transformers",
    "torch",
    "transformers",
)


def describe_environment() -> dict[str, Any]:
    """Versions, commit and hardware as JSON."""
    return {"versions": package_versions(), "git": git_state(), "hardware": hardware()}


def package_versions() -> dict[str, str]:
    """Installed versions of what can change an answer; packages that are not installed are left out."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_state() -> dict[str, Any]:
    """Commit of the harness's checkout and whether it was changed since; empty for an installed wheel."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return {}
    command = ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch"]
    try:
        status = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        commit = re.findall(r"^# branch\.oid (\w+)$", status, re.MULTILINE)[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        # No git program, or a checkout without commits: the version number has to do.
        return {}
    return {"commit": commit, "dirty": any(not line.startswith("#") for line in status.splitlines())}


def hardware() -> dict[str, Any]:
    """Processor, usable cores, memory in GB, and the GPUs that nvidia-smi lists."""
    from runners.hardware import machine_memory

    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(machine_memory() / 1e9, 1),
        "gpus": gpus(),
    }


def gpus() -> list[str]:
    """Names of the NVIDIA GPUs here; empty without a driver."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in listing.splitlines() if line.strip()]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
