"""The folders that the harness reads and writes outside a run: cache, prompts, reported numbers."""

from __future__ import annotations

import os
from pathlib import Path

PROMPTS_BESIDE_SOURCE = Path(__file__).resolve().parents[1] / "prompts"
PROMPTS_IN_WHEEL = Path(__file__).resolve().parent / "_prompts"
REPORTED_BESIDE_SOURCE = Path(__file__).resolve().parents[1] / "results" / "reported"
REPORTED_IN_WHEEL = Path(__file__).resolve().parent / "_reported"


def cache_dir() -> Path:
    """Where downloads live: ``$HARNESS_CACHE_DIR``, or the platform's user cache folder."""
    if override := os.environ.get("HARNESS_CACHE_DIR"):
        return Path(override)
    from platformdirs import user_cache_path

    return user_cache_path("docre-harness")


def prompts_dir() -> Path:
    """Where the shipped prompt variants live: ``prompts/`` of a checkout, or inside the wheel."""
    return PROMPTS_IN_WHEEL if PROMPTS_IN_WHEEL.is_dir() else PROMPTS_BESIDE_SOURCE


def reported_dir(results: Path) -> Path:
    """Where the numbers that papers report live: ``reported/`` of the results folder, or what is shipped."""
    own = results / "reported"
    if own.is_dir():
        return own
    return REPORTED_IN_WHEEL if REPORTED_IN_WHEEL.is_dir() else REPORTED_BESIDE_SOURCE
