"""Blocks of a corpus predicted on a Ray cluster by Ray Data, which places, retries and holds back the work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, cast

from harness.prediction.blocks import Block
from harness.prediction.execute import BlockWorker, PredictionJob
from harness.prediction.predictors import predictor_of
from harness.ray_cluster import connected, gpus_of_a_worker
from harness.runs.drivers_journal import DriversJournal, keeper_of


class _RayWorker:
    """An actor of Ray Data: a model that is loaded once, and predicts the blocks that it is given.

    Ray calls it in threads of its choice. All work is done in one: a journal belongs to the thread that opened it.
    """

    def __init__(self, job: PredictionJob, keeper: Any) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._thread.submit(self._load, job, keeper).result()

    def _load(self, job: PredictionJob, keeper: Any) -> None:
        self._loop = asyncio.Runner()
        predictor = predictor_of(job.config, job.schema, DriversJournal(keeper))
        self._loop.run(predictor.__aenter__())
        self._worker = BlockWorker(predictor, job.out)

    def _work(self, block: Block) -> str:
        return self._loop.run(self._worker.work(block))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "wrong": self._thread.submit(self._work, Block(**row)).result()}


def predict_on_ray(job: PredictionJob, blocks: list[Block], cluster: str, workers: int) -> Iterator[tuple[Block, str]]:
    """Each block with what is wrong with it, as they are done. The folder of the job must be one that all nodes see."""
    with connected(cluster, workers) as ray:
        import ray.data as data

        # Its plans and warnings are nothing that a user of the command can act on.
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        # A result is a name and a line: what Ray sets aside for it has to fit a small object store.
        context.target_max_block_size = 1 << 20
        rows = data.from_items([asdict(block) for block in blocks], override_num_blocks=len(blocks))
        done = rows.map(
            cast("Any", _RayWorker),  # a class stands for a function there
            fn_constructor_args=(job, keeper_of(ray, job.config.results)),
            compute=data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            num_gpus=gpus_of_a_worker(ray),
        )
        for row in done.iter_rows():
            wrong = row.pop("wrong")
            yield Block(**row), wrong
