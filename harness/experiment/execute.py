"""Running an experiment: resumable, watched, stored and scored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any, Protocol

from harness.engine.asking import Asker, Traffic
from harness.engine.budget import Budget, BudgetExhausted, Prices
from harness.engine.documents import DocumentResult, run_documents
from harness.engine.journal import Journal
from harness.engine.limiter import AdaptiveLimiter
from harness.engine.retry import RetryPolicy
from harness.engine.stop import Interrupted, StopSignal, listen_for_signals
from harness.environment import describe_environment
from harness.errors import HarnessError, InputError
from harness.experiment.plan import Experiment
from harness.experiment.results import RunResult, RunTotals, store_metrics
from harness.methods.table import create_method
from harness.store import DocumentRecord, RunFolder
from harness.types import Usage

JOURNAL_FILE = "journal.sqlite"
# Documents held at once, per connection: enough that a slow one does not leave connections idle.
DOCUMENTS_PER_CONNECTION = 4


class Observer(Protocol):
    """Who watches a run: a progress bar, plain lines, or nobody."""

    def started(self, run: RunFolder, total: int, traffic: Traffic) -> None: ...

    def finished(self, result: DocumentResult) -> None: ...

    def stopping(self) -> None: ...


class Stopped(HarnessError):
    """The run ended before its last document, and can be resumed; the message says why and where."""

    exit_code = 3


async def execute(experiment: Experiment, observer: Observer, ask_again: Collection[str] = ()) -> RunResult:
    """Run, store and score. Answers already in the journal are not asked for again.

    Documents whose title is in ``ask_again`` are asked anew even if an answer is stored. Raises
    Stopped if the run was interrupted or its budget is exhausted; what arrived is in the journal.
    """
    config = experiment.config
    folder = RunFolder(config.results / "runs" / experiment.run_id)
    with folder.locked(), Journal(config.results / JOURNAL_FILE) as journal:
        sessions = _earlier_sessions(folder, journal)
        session: dict[str, Any] = {"started": time.time(), "finished": None}
        manifest = {**experiment.manifest(), **describe_environment()}
        folder.write_manifest({**manifest, "status": "running", "sessions": [*sessions, session]})
        asker = _asker(experiment, journal)
        started = time.monotonic()
        try:
            with listen_for_signals(asker.stop, observer.stopping):
                observer.started(folder, experiment.document_count, asker.traffic)
                totals = await _run_all(experiment, folder, asker, observer, ask_again)
        except (Interrupted, BudgetExhausted, asyncio.CancelledError) as reason:
            session |= _session_end(started, asker.traffic)
            folder.write_manifest({**manifest, "status": "stopped", "sessions": [*sessions, session]})
            why = str(reason) or f"{asker.stop.reason}, twice"
            raise Stopped(f"{why}. Resume with the same command; run folder {folder.path}") from None
        finally:
            await experiment.runner.close()
        session |= _session_end(started, asker.traffic)
        folder.write_predictions(totals.predictions())
        manifest |= {"status": "complete", "sessions": [*sessions, session], **totals.as_json()}
        folder.write_manifest(manifest)
        return store_metrics(folder, experiment.documents, totals.by_title)


async def _run_all(
    experiment: Experiment, folder: RunFolder, asker: Asker, observer: Observer, ask_again: Collection[str]
) -> RunTotals:
    totals = RunTotals()
    with folder.document_writer() as writer:
        async for result in run_documents(
            experiment.documents,
            create_method(experiment.settings),
            lambda document: asker.answer_again if document.title in ask_again else asker.answer,
            window=asker.limiter.maximum * DOCUMENTS_PER_CONNECTION,
            stop=asker.stop,
            on_finished=observer.finished,
        ):
            title = result.document.title
            record = DocumentRecord.of(title, result.extraction, result.requests, result.seconds)
            writer.write(record)
            totals.add(record)
    return totals


def _asker(experiment: Experiment, journal: Journal) -> Asker:
    config, spec = experiment.config, experiment.spec
    prices = None
    if spec.price_in is not None and spec.price_out is not None:
        prices = Prices(spec.price_in, spec.price_out)
    elif config.limits.cost_usd is not None:
        raise InputError(f"--max-cost needs prices, and {spec.name} has none: use --max-tokens-total")
    spent = journal.spent(experiment.run_id)
    stop = StopSignal()
    able = experiment.runner.supports.max_connections or config.max_connections
    return Asker(
        runner=experiment.runner,
        journal=journal,
        run_id=experiment.run_id,
        budget=Budget(config.limits, prices, Usage(spent.prompt_tokens, spent.completion_tokens)),
        limiter=AdaptiveLimiter(min(able, config.max_connections), sleep=stop.sleep),
        policy=RetryPolicy(retries=config.max_retries),
        stop=stop,
        timeout_s=config.timeout_s,
    )


def _session_end(started: float, traffic: Traffic) -> dict[str, Any]:
    return {
        "finished": time.time(),
        "seconds": round(time.monotonic() - started, 3),
        "sent": traffic.sent,
        "replayed": traffic.replayed,
        "retried": traffic.retried,
    }


def _earlier_sessions(folder: RunFolder, journal: Journal) -> list[dict[str, Any]]:
    """The sessions before this one; one that was killed is given the time of its last answer as its end."""
    if not folder.has("manifest.json"):
        return []
    sessions: list[dict[str, Any]] = folder.read_manifest().get("sessions", [])
    ends = [session["started"] for session in sessions[1:]] + [time.time()]
    for session, end in zip(sessions, ends, strict=True):
        if session["finished"] is None:
            started = session["started"]
            last = journal.last_answer_at(folder.run_id, started, end) or started
            session |= {"finished": last, "seconds": round(last - started, 3), "killed": True}
    return sessions
