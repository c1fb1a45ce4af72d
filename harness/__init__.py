"""Benchmark LLMs on document-level relation extraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import compare, extract, leaderboard, load_dataset, run, score

__version__ = "0.1.0"
__all__ = ["compare", "extract", "leaderboard", "load_dataset", "run", "score"]


def __getattr__(name: str) -> Any:
    """The functions of ``harness.api``, which is imported when one of them is first used."""
    if name in __all__:
        from harness import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
