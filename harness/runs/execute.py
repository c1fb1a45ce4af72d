"""Running an experiment: resumable, watched, stored and scored."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from harness.engine.asking import Asker, Traffic
from harness.engine.budget import Budget, BudgetExhausted, Prices
from harness.engine.collecting import BatchedRunner
from harness.engine.documents import DocumentResult, run_documents
from harness.engine.endpoints import Endpoints, Home
from harness.engine.journal import JOURNAL_FILE, AnswerStore, Journal
from harness.engine.limiter import AdaptiveLimiter
from harness.engine.retry import RetryPolicy
from harness.engine.session import RunnerSession
from harness.engine.stop import BatchesHandedIn, Interrupted, StopSignal, listen_for_signals
from harness.engine.waiting import PAUSE
from harness.errors import HarnessError, InputError
from harness.runs.candidate_scores import candidate_writer
from harness.runs.config import RunConfig
from harness.runs.manifest import RunManifest
from harness.runs.plan import Experiment
from harness.runs.results import RunResult, store_scored
from harness.runs.retrying import BadAnswers
from harness.runs.sources.llm import LlmRun
from harness.runs.totals import RunTotals
from harness.scoring.official import Scorer
from harness.store import DocumentRecord, RunFolder
from harness.types import Ask, Document, Usage

Outcome = TypeVar("Outcome")


First = Callable[[Asker, AnswerStore, RunFolder, str], Awaitable[None]]
"""What is awaited before the documents are run; the last argument is the id of the retry, if it is one."""


class Observer(Protocol):
    """Who watches a run: a progress bar, plain lines, or nobody."""

    def started(self, run: RunFolder, total: int, traffic: Traffic) -> None: ...

    def finished(self, result: DocumentResult) -> None: ...

    def stopping(self) -> None: ...


class Unwatched:
    """An observer that says nothing."""

    def started(self, run: RunFolder, total: int, traffic: Traffic) -> None:
        pass

    def finished(self, result: DocumentResult) -> None:
        pass

    def stopping(self) -> None:
        pass


class Stopped(HarnessError):
    """The run ended before its last document, and can be resumed; the message says why and where."""

    exit_code = 3


class HandedIn(Stopped):
    """The run ended because all that it could ask is in batches that were handed in."""


class OutOfBudget(Stopped):
    """The run ended because its next request could pass a limit."""


_STOPPED_BY: tuple[tuple[type[BaseException], type[Stopped]], ...] = (
    (BudgetExhausted, OutOfBudget),
    (BatchesHandedIn, HandedIn),
)


async def execute(
    experiment: Experiment,
    observer: Observer,
    ask_again: Mapping[str, BadAnswers] | None = None,
    session: RunnerSession | None = None,
    journal: AnswerStore | None = None,
    first: First | None = None,
) -> RunResult:
    """Run, store and score. Answers already in the journal are not asked for again.

    The answers in ``ask_again``, by title, are replaced by new ones. A ``session`` that is given goes on after the
    run, for others of the same model. A ``journal`` that is given takes the place of the results folder's. ``first`` is
    awaited before the documents are run. Raises Stopped if the run was interrupted or its budget is exhausted; what
    arrived is in the journal.
    """
    if session is None:
        async with RunnerSession(experiment.runner) as own:
            return await execute(experiment, observer, ask_again, own, journal, first)
    config = experiment.config
    folder = RunFolder(config.results / "runs" / experiment.run_id)
    with (
        folder.locked(),
        Journal(journal_of(config, folder)) if journal is None else nullcontext(journal) as journal,
    ):
        asker = asker_of(experiment, journal, session)
        manifest = RunManifest(folder, experiment.asked(), journal, is_retry=bool(ask_again))
        manifest.begin()

        def ask_for(document: Document) -> Ask:
            bad = ask_again.get(document.title) if ask_again else None
            home: Home = []
            if bad:
                return partial(asker.answer_again, is_bad=bad.holds, retry=manifest.retry, home=home)
            return partial(asker.answer, home=home)

        async def work() -> RunTotals:
            if first is not None:
                await first(asker, journal, folder, manifest.retry)
            return await _run_all(experiment, folder, asker, observer, ask_for)

        with _frozen_heap():
            totals = await supervise(work(), experiment, folder, asker, manifest, observer)
        return store_scored(folder, manifest, totals, experiment, asker.traffic)


def journal_of(config: RunConfig, folder: RunFolder) -> Path:
    """The file of a run's answers: one for all runs of a results folder, and one in the folder of a run of a part.

    SQLite is not safe on the network file systems that machines share.
    """
    return (folder.path if config.part else config.results) / JOURNAL_FILE


async def supervise(
    work: Coroutine[Any, Any, Outcome],
    experiment: LlmRun,
    folder: RunFolder,
    asker: Asker,
    manifest: RunManifest,
    observer: Observer,
) -> Outcome:
    """Await the work of a session, which signals, time limit and budget can stop.

    If the work does not end well, the manifest tells so; it is left open otherwise. Raises Stopped.
    """
    limits = experiment.config.limits
    try:
        with listen_for_signals(asker.stop, observer.stopping), _time_limit(asker.stop, limits.seconds):
            observer.started(folder, experiment.document_count, asker.traffic)
            return await work
    except (Interrupted, BudgetExhausted, asyncio.CancelledError) as reason:
        manifest.end("stopped", asker.traffic)
        why = str(reason) or f"{asker.stop.reason}, twice"
        stopped = next((told for kind, told in _STOPPED_BY if isinstance(reason, kind)), Stopped)
        raise stopped(f"{why.rstrip('.')}. Resume with the same command; run folder {folder.path}") from None
    except HarnessError:
        manifest.end("failed", asker.traffic)
        raise


@contextmanager
def _frozen_heap() -> Iterator[None]:
    """Within the block, the garbage collector does not look at what is there now: modules and documents.

    A pass over all of them stops the event loop for a tenth of a second, again and again.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _time_limit(stop: StopSignal, seconds: float | None) -> Iterator[None]:
    """Stop the run after so many seconds, also while it waits for a server."""
    if seconds is None:
        yield
        return
    reason = f"--max-time {seconds:g} s is over"
    timer = asyncio.get_running_loop().call_later(seconds, stop.request, reason)
    try:
        yield
    finally:
        timer.cancel()


async def _run_all(
    experiment: Experiment, folder: RunFolder, asker: Asker, observer: Observer, ask_for: Callable[[Document], Ask]
) -> RunTotals:
    totals = RunTotals(scorer=Scorer())
    with folder.document_writer() as writer, candidate_writer(folder, experiment) as write_candidates:
        async for result in run_documents(
            experiment.documents,
            experiment.method(),
            ask_for,
            connections=asker.endpoints.connections,
            when_more=asker.endpoints.when_more,
            max_documents=experiment.runner.supports.max_documents,
            stop=asker.stop,
            outages=asker.session.outages,
            on_finished=observer.finished,
        ):
            title = result.document.title
            record = DocumentRecord.of(title, result.extraction, result.requests, result.seconds)
            writer.write(record)
            write_candidates(result.document, record)
            totals.add(record, result.document)
    return totals


def budget_of(experiment: LlmRun, journal: AnswerStore) -> Budget:
    """What is left of the run's limits; raises InputError for a cost limit without prices.

    What was spent counts at the price of this session.
    """
    limits, prices = experiment.config.limits, prices_of(experiment)
    if prices is None and limits.cost_usd is not None:
        raise InputError(f"--max-cost needs prices, and {experiment.spec.name} has none: use --max-tokens-total")
    spent = journal.spent(experiment.run_id)
    return Budget(limits, prices, Usage(spent.prompt_tokens, spent.completion_tokens))


def prices_of(experiment: LlmRun) -> Prices | None:
    """The prices of a session of this run, which are lower in batches; None where models.toml has none."""
    spec = experiment.spec
    if spec.price_in is None or spec.price_out is None:
        return None
    share = 1.0 if spec.price_batch is None or not isinstance(experiment.runner, BatchedRunner) else spec.price_batch
    return Prices(share * spec.price_in, share * spec.price_out)


def asker_of(experiment: LlmRun, journal: AnswerStore, session: RunnerSession) -> Asker:
    """What asks the experiment's model, within its limits; raises InputError for a cost limit without prices."""
    config = experiment.config
    stop, traffic = StopSignal(), Traffic()

    async def pause(seconds: float) -> None:
        with traffic.waiting.on(PAUSE, seconds):
            await stop.sleep(seconds)

    supports = experiment.runner.supports
    able = supports.max_connections or config.max_connections
    return Asker(
        session=session,
        journal=journal,
        run_id=experiment.run_id,
        budget=budget_of(experiment, journal),
        endpoints=Endpoints(session, lambda: AdaptiveLimiter(min(able, config.max_connections), sleep=pause)),
        policy=RetryPolicy(retries=config.max_retries),
        stop=stop,
        timeout_s=supports.timeout_s if config.timeout_s is None else config.timeout_s,
        traffic=traffic,
    )
