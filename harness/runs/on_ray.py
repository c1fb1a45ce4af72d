"""A run on a Ray cluster: each part is a task, placed and repeated by Ray; finished parts become the whole run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.ray_cluster import connected
from harness.runs.config import RunConfig
from harness.runs.execute import Stopped, Unwatched, execute
from harness.runs.merging import merge_parts
from harness.runs.plan import prepare
from harness.runs.results import RunResult
from harness.runs.sources.encoder import execute_encoder, is_encoder, prepare_encoder
from harness.store import RunFolder

PARTS_PER_WORKER = 4
"""Parts for each worker: small parts leave less to wait for at the end; each loads the model of an encoder."""

RETRIES = 10
"""How often Ray gives a part to another worker whose worker died."""


def part_configs(config: RunConfig, workers: int) -> list[RunConfig]:
    """The configurations of the parts; their number is fixed by the workers, so that the same command resumes."""
    count = workers * PARTS_PER_WORKER
    return [replace(config, part=f"{number}/{count}") for number in range(1, count + 1)]


def run_part(config: RunConfig) -> str:
    """Run a part, or what its journal lacks, and return its folder."""
    if is_encoder(config):
        return str(execute_encoder(prepare_encoder(config), lambda: None).folder.path)
    return str(asyncio.run(execute(prepare(config), Unwatched())).folder.path)


def run_on_ray(config: RunConfig, cluster: str, workers: int, advance: Callable[[int], None]) -> RunResult:
    """Run all parts on a cluster, whose nodes see the results folder, and merge them.

    A part whose worker dies is run on another: what had come back is in the part's journal. ``advance`` hears of the
    documents of each part that is done. Raises Stopped where a part could not be finished: the same command resumes.
    """
    config = config.with_absolute_paths()
    parts = part_configs(config, workers)
    folders: dict[str, RunFolder] = {}
    with connected(cluster, workers) as ray:
        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(run_part)
        waiting: Mapping[Any, str] = {task.remote(one): str(one.part) for one in parts}
        failed: dict[str, str] = {}
        left = list(waiting)
        while left:
            done, left = ray.wait(left)
            for one in done:
                try:
                    folder = RunFolder(config.results / "runs" / str(ray.get(one)).rpartition("/")[2])
                    folders[waiting[one]] = folder
                    advance(folder.read_manifest().documents.asked)
                except ray.exceptions.RayError as error:
                    failed[waiting[one]] = str(getattr(error, "cause", None) or error).splitlines()[0]
    if failed:
        part, why = next(iter(failed.items()))
        raise Stopped(
            f"{len(failed)} of {len(parts)} parts did not end, such as {part}: {why}. The same command resumes"
        )
    return merge_parts([folders[str(one.part)] for one in parts], config.results)
