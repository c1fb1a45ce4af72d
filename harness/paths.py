"""The folders that the harness reads and writes outside a run: cache, prompts, results."""

from __future__ import annotations

import os
from pathlib import Path

PROMPTS_BESIDE_SOURCE = Path(__file__).resolve().parents[1] / "prompts"
PROMPTS_IN_WHEEL = Path(__file__).resolve().parent / "_prompts"


def cache_dir() -> Path:
    """Where downloads live: ``$HARNESS_CACHE_DIR``, or the platform's user cache folder."""
    if override := os.environ.get("HARNESS_CACHE_DIR"):
        return Path(override)
    from platformdirs import user_cache_path

    return user_cache_path("docre-harness")


def prompts_dir() -> Path:
    """Where the shipped prompt variants live: ``prompts/`` of a checkout, or inside the wheel."""
    return PROMPTS_IN_WHEEL if PROMPTS_IN_WHEEL.is_dir() else PROMPTS_BESIDE_SOURCE
