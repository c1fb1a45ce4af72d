"""A corpus, a results folder, and the command that runs one on the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.corpora import write_corpus


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def run_arguments(tmp_path: Path, results: Path) -> Callable[..., list[str]]:
    """Arguments of a run over ``documents`` generated documents on the server at ``base_url``."""

    def arguments(base_url: str, documents: int, *more: str) -> list[str]:
        corpus = tmp_path / f"corpus{documents}" / "corpus.json"
        if not corpus.is_file():
            write_corpus(corpus.parent, documents)
        return [
            "run", "--model", "scripted", "--prompt", "tagged", "--dataset", str(corpus), "--base-url", base_url,
            "-M", "probe=false", "-M", "constrain_with=regex", "--results-dir", str(results), *more,
        ]  # fmt: skip

    return arguments
