"""Runs on a Ray cluster: workers ask, every answer comes back to the driver's journal, and finished folders follow."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.engine.budget import NO_LIMITS, Limits
from harness.engine.documents import DocumentResult
from harness.engine.session import RunnerSession
from harness.errors import HarnessError, InputError
from harness.json_files import json_text, text_value
from harness.ray_cluster import connected, outcomes, why
from harness.runs.config import RunConfig
from harness.runs.drivers_journal import DriversJournal, Files, keeper_of, read_files
from harness.runs.execute import Stopped, Unwatched, execute
from harness.runs.merging import merge_parts
from harness.runs.plan import prepare
from harness.runs.planned_run import PlannedRun
from harness.runs.results import RunResult
from harness.runs.sources.encoder import EncoderExperiment, execute_encoder, is_encoder, prepare_encoder
from harness.runs.sources.encoder_scores import scores_used
from harness.store import MANIFEST, REBUILD, RunFolder

PARTS_PER_WORKER = 4
"""Parts for each worker: small parts leave less to wait for at the end."""


@dataclass(frozen=True)
class _Job:
    """One run; ``answers_of`` is the run under which its answers are stored: itself, or what it is a part of."""

    config: RunConfig
    run_id: str
    answers_of: str


@dataclass(frozen=True)
class _Done:
    """The files of a run's folder, or why there are none."""

    run_id: str
    files: Files
    error: str = ""


class _Counting(Unwatched):
    """Tells the driver how many documents of a run are done."""

    def __init__(self, keeper: Any, run_id: str) -> None:
        self._keeper, self._run_id, self._count = keeper, run_id, 0

    def finished(self, _result: DocumentResult) -> None:
        self.count()

    def count(self) -> None:
        self._count += 1
        self._keeper.tell.remote(self._run_id, self._count)


class _Worker:
    """An actor that runs one job after the other with a model that is started once, in a folder of its own.

    None of its methods is a coroutine: Ray would call them all within an event loop.
    """

    def __init__(self, keeper: Any) -> None:
        import ray

        self._keeper = keeper
        self._results = Path(tempfile.mkdtemp(prefix="harness-"))
        _write(self._results, ray.get(keeper.inputs.remote()))
        self._loop = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._session: RunnerSession | None = None
        self._encoder: EncoderExperiment | None = None

    def work(self, job: _Job) -> _Done:
        try:
            folder = self._run(job)
        except HarnessError as error:
            return _Done(job.run_id, {}, str(error))
        files = read_files(folder.path)
        shutil.rmtree(folder.path)
        return _Done(folder.run_id, files)

    def _run(self, job: _Job) -> RunFolder:
        config = replace(job.config, results=self._results)
        counting = _Counting(self._keeper, job.run_id)
        if is_encoder(config):
            planned = prepare_encoder(config)
            # The scorer of the run before is loaded, and the same: runs of an encoder differ in their documents.
            self._encoder = planned if self._encoder is None else replace(planned, scorer=self._encoder.scorer)
            return execute_encoder(self._encoder, counting.count).folder
        experiment = prepare(config)
        if self._session is None:
            session = RunnerSession(experiment.runner)
            self._session = self._loop.run(self._stack.enter_async_context(session))
        journal = DriversJournal(self._keeper, job.answers_of)
        return self._loop.run(execute(experiment, counting, session=self._session, journal=journal)).folder

    def close(self) -> None:
        """End the model and remove the folder."""
        self._loop.run(self._stack.aclose())
        shutil.rmtree(self._results, ignore_errors=True)


def parts_of(planned: PlannedRun, workers: int) -> list[PlannedRun]:
    """The runs of the parts; their number is fixed by the workers."""
    count = workers * PARTS_PER_WORKER
    return [
        replace(planned, config=replace(planned.config, part=f"{number}/{count}")) for number in range(1, count + 1)
    ]


def run_on_ray(planned: PlannedRun, cluster: str, workers: int, advance: Callable[[int], None]) -> RunResult:
    """Run the parts of a run on a cluster and merge them; as ``runs_on_ray``."""
    parts = [one for one in parts_of(planned, workers) if next(iter(one.documents), None) is not None]
    with RunFolder(planned.config.results / "runs" / planned.run_id).locked():
        folders = [one.folder for one in runs_on_ray(parts, cluster, workers, advance)]
    return merge_parts(folders, planned.config.results)


def runs_on_ray(
    planned: Sequence[PlannedRun], cluster: str, workers: int, advance: Callable[[int], None]
) -> list[RunResult]:
    """Each run, carried out by a worker of the cluster; only this process and its node need the results folder.

    Each answer is in the journal of the results folder before the run goes on, so that a worker or a driver that
    dies loses nothing that came back; the folder of a run comes when it has ended. What is there already is not run
    again. ``advance`` hears of documents that are done. Raises InputError for a budget, which workers do not share, and
    Stopped where a run could not be finished: the same command resumes.
    """
    results = planned[0].config.results.resolve()
    limits = planned[0].config.limits
    if limits.tokens is not None or limits.cost_usd is not None:
        raise InputError(
            "--max-tokens-total and --max-cost are kept by one process, not by the workers of --cluster: leave them "
            "out; --dry-run and --confirm-above tell the price before"
        )
    done = {one.run_id: found for one in planned if (found := _ended(RunFolder(results / "runs" / one.run_id)))}
    for found in done.values():
        advance(found.manifest.documents.asked)
    jobs = [_job(one) for one in planned if one.run_id not in done]
    failed: dict[str, str] = {}
    for one in _done_on_ray(jobs, results, cluster, workers, advance, limits) if jobs else ():
        if one.error:
            failed[one.run_id] = one.error
        else:
            done[one.run_id] = _stored(RunFolder(results / "runs" / one.run_id), one.files, results)
    if failed:
        name, reason = next(iter(failed.items()))
        raise Stopped(
            f"{len(failed)} of {len(planned)} runs did not end, such as {name}: {reason}. The same command resumes"
        )
    return [done[one.run_id] for one in planned]


def _done_on_ray(
    jobs: Sequence[_Job], results: Path, cluster: str, workers: int, advance: Callable[[int], None], limits: Limits
) -> Iterable[_Done]:
    told, end = 0, None if limits.seconds is None else time.monotonic() + limits.seconds

    def tick() -> None:
        nonlocal told
        documents = ray.get(keeper.documents.remote())
        if documents > told:
            advance(documents - told)
            told = documents
        if end is not None and time.monotonic() > end:
            raise Stopped(f"--max-time {limits.seconds:g} s is over. The same command resumes")

    with connected(cluster, workers) as ray:
        needed = {folder.path.resolve() for job in jobs for folder in scores_used(job.config)}
        keeper = keeper_of(ray, results, needed)
        try:
            for number, one in enumerate(outcomes(ray, _Worker, (keeper,), jobs, workers, tick)):
                yield one if isinstance(one, _Done) else _Done(f"a run on a lost worker ({number})", {}, why(one))
        except KeyboardInterrupt:
            raise Stopped("interrupted. The same command resumes") from None


def _job(planned: PlannedRun) -> _Job:
    config = replace(planned.stored_config, limits=NO_LIMITS)
    return _Job(config, planned.run_id, planned.undivided.run_id if config.part else planned.run_id)


def _ended(folder: RunFolder) -> RunResult | None:
    """The run that is stored there, if it is whole and no document waits to be asked again."""
    try:
        result = RunResult.load(folder)
        for _ in folder.documents():
            pass
    except InputError:
        return None
    return None if result.manifest.statuses.get("api_error") else result


def _stored(folder: RunFolder, files: Files, results: Path) -> RunResult:
    """Write the files of a run that has ended elsewhere, the manifest last."""
    manifest: Any = text_value(files[MANIFEST].decode(), MANIFEST, REBUILD)
    manifest["config"]["results"] = str(results)
    text = json_text(manifest, ensure_ascii=False, indent=2) + "\n"
    with folder.locked(), folder.storing():
        _write(folder.path, {name: content for name, content in files.items() if name != MANIFEST})
        _write(folder.path, {MANIFEST: text.encode()})
    return RunResult.load(folder)


def _write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.tmp")
        partial.write_bytes(content)
        partial.replace(target)
