"""Runs, cells and blocks on a local Ray cluster: killed workers lose nothing, and the outcome is the same."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from harness import run
from harness.analyses.ablation import ablation_on_ray
from harness.analyses.grid import read_axes
from harness.errors import InputError
from harness.prediction.execute import PredictionJob, predict_corpus
from harness.ray_cluster import connected
from harness.runs.config import RunConfig
from harness.runs.execute import Stopped
from harness.runs.on_ray import run_on_ray
from harness.runs.plan import prepare
from harness.training.on_ray import NamedTraining, trained_on_ray
from tests.chat_server import ChatServer
from tests.corpora import write_corpus
from tests.runs.test_merging import content

PLAIN = {"probe": "false", "constrain_with": "regex"}
CONNECTIONS = 2


def _uncounted(_total: int) -> Any:
    return lambda _count: None


class Killer:
    """Kills a worker that has a run, with SIGKILL, as documents are done: twice."""

    def __init__(self) -> None:
        self.killed: list[int] = []
        self.done = 0

    def __call__(self, count: int) -> None:
        import psutil

        self.done += count
        working = [one.pid for one in psutil.Process().children(recursive=True) if ".work" in one.name()]
        new = [pid for pid in working if pid not in self.killed]
        if new and len(self.killed) < 2:
            self.killed.append(new[0])
            os.kill(new[0], signal.SIGKILL)


def training(number: int, folder: Path, _watcher: object) -> tuple[int, int]:
    """Stands for a training: what it gives, and how many were in its folder before."""
    folder.mkdir(exist_ok=True)
    before = len(list(folder.iterdir()))
    (folder / str(number)).touch()
    if number == 9:
        raise InputError("nine is too many")
    return number, before


def test_ray_runs_parts_cells_and_blocks_to_the_same_content(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    corpus = write_corpus(tmp_path / "corpus", 24)
    kill = Killer()
    with ChatServer() as server:
        options: dict[str, Any] = {"base_url": server.base_url, "model_options": PLAIN, "max_connections": CONNECTIONS}
        config = RunConfig("scripted", "tagged", str(corpus), results=tmp_path / "one", **options)
        whole = run("scripted", "tagged", dataset=str(corpus), results=tmp_path / "whole", **options)
        server.answered.clear()
        with connected("auto", 2):
            server.latency_s = 0.05
            result = run_on_ray(prepare(config), "auto", 2, kill)
            server.latency_s = 0.0
            assert len(kill.killed) == 2
            assert kill.done == 24
            assert content(result.folder)["documents"] == content(whole.folder)["documents"]
            assert content(result.folder)["metrics.json"] == content(whole.folder)["metrics.json"]
            # Only what was in flight when a worker was killed is asked again.
            assert server.answered.total() <= 24 + 2 * CONNECTIONS
            assert result.manifest.spent is not None
            assert result.manifest.spent.requests == 24

            # The answers are those of the undivided run: no number of parts asks for them again.
            asked = server.answered.total()
            again = run_on_ray(prepare(replace(config, results=tmp_path / "one")), "auto", 1, _uncounted(0))
            assert again.folder.path == result.folder.path
            ablated = ablation_on_ray(config, read_axes(["refs=id,name"], config), "auto", 2, _uncounted(0))
            assert [one.manifest.statuses for _, one in ablated.runs] == [{"ok": 24}, {"ok": 24}]
            assert server.answered.total() == asked + 24

            trainings = [NamedTraining(str(one), tmp_path / f"t{one % 2}", partial(training, one)) for one in range(3)]
            assert trained_on_ray(trainings, "auto", 2, _uncounted(0)) == [(0, 0), (1, 0), (2, 1)]
            trainings[1] = NamedTraining("last", tmp_path / "t1", partial(training, 9))
            with pytest.raises(Stopped, match="1 of 3 trainings did not end, such as last: nine is too many"):
                trained_on_ray(trainings, "auto", 2, _uncounted(0))

            job = PredictionJob(str(corpus), config, tmp_path / "out", str(corpus.with_name("rel_info.json")), 6)
            predicted = predict_corpus(job, _uncounted, "auto", 2)
    assert predicted.statuses == {"ok": 24}
    assert predicted.failures == []
    assert len(parquet.read_table(tmp_path / "out")) == 24
