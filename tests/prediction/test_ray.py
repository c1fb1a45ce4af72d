"""Parts and blocks on a local Ray cluster: a killed worker loses nothing, and the outcome is that of one process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from harness.prediction.execute import PredictionJob, predict_corpus
from harness.ray_cluster import connected
from harness.runs.config import RunConfig
from harness.runs.on_ray import run_on_ray
from harness.store import DOCUMENTS, PREDICTIONS
from tests.chat_server import ChatServer
from tests.corpora import write_corpus

PLAIN = {"probe": "false", "constrain_with": "regex"}


def _uncounted(_total: int) -> Any:
    return lambda _count: None


def test_ray_runs_parts_and_blocks_to_the_same_content(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    corpus = write_corpus(tmp_path / "corpus", 16)
    killed: list[int] = []
    done: list[int] = []

    with ChatServer() as server:
        config = RunConfig(
            "scripted", "tagged", str(corpus), base_url=server.base_url, model_options=PLAIN, results=tmp_path / "one"
        )

        def kill_a_worker(count: int) -> None:
            """After the first part: the processes of Ray that hold a part end at once, as with a node."""
            done.append(count)
            if not killed:
                import psutil

                for one in psutil.Process().children(recursive=True):
                    if one.name().startswith("ray::run_part"):
                        killed.append(one.pid)
                        os.kill(one.pid, signal.SIGKILL)

        with connected("auto", 2):
            server.latency_s = 0.1
            result = run_on_ray(config, "auto", 2, kill_a_worker)
            assert killed, "a part should have been under way"
            assert result.manifest.statuses == {"ok": 16}
            assert sum(done) == 16
            assert server.answered.total() <= 16 + len(killed) * 16
            server.latency_s = 0.0
            job = PredictionJob(str(corpus), config, tmp_path / "out", str(corpus.with_name("rel_info.json")), 4)
            predicted = predict_corpus(job, _uncounted, "auto", 2)
    assert predicted.statuses == {"ok": 16}
    assert predicted.failures == []
    assert len(parquet.read_table(tmp_path / "out")) == 16
    assert (result.folder.path / PREDICTIONS).is_file()
    assert len((result.folder.path / DOCUMENTS).read_text().splitlines()) == 16
