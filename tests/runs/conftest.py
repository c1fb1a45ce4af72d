"""A corpus, a results folder, and what runs one on the other: the command, or the function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.runs.results import RunResult
from tests.chat_server import ChatServer
from tests.corpora import write_corpus

PLAIN = {"probe": "false", "constrain_with": "regex"}


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


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., RunResult]:
    """Runs some documents on the server; options are those of ``harness.run``."""

    def ask(server: ChatServer, documents: int = 3, prompt: str = "tagged", **options: Any) -> RunResult:
        corpus = write_corpus(tmp_path / f"corpus{documents}", documents)
        chosen = {"dataset": str(corpus), "results": tmp_path / "results", "max_retries": 0, "model_options": PLAIN}
        return run("scripted", prompt, base_url=server.base_url, **chosen | options)

    return ask
