"""Scoring without a model: stored answers are read and mapped again, or a submission file is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.experiment.config import RunConfig
from harness.experiment.plan import prepare
from harness.experiment.results import RunResult, RunTotals, store_metrics
from harness.methods.table import create_method
from harness.scoring.facts import TrainFacts, facts_in_train
from harness.scoring.official import score
from harness.scoring.submission import read_submission
from harness.store import DocumentRecord, RunFolder
from harness.types import Completion, Request, Usage


async def rescore_run(folder: RunFolder, gold: Path | None, train: Path | None) -> RunResult:
    """Parse, map and score the stored answers of a run anew, with the rules in force now.

    The run's files are rewritten; its answers, times and usage stay. ``gold`` replaces the file of
    labels, which must hold the same documents. Raises InputError where the run, its data or its
    prompt cannot be found or have changed.
    """
    manifest = folder.read_manifest()
    if manifest["status"] != "complete":
        raise InputError(f"{folder.run_id} is {manifest['status']}: finish it first with the command that made it")
    config = RunConfig.from_json(manifest["config"])
    experiment = prepare(config, model_needed=False)
    facts = _train_facts(train)
    method = create_method(experiment.settings)
    totals = RunTotals()
    with folder.locked(), folder.document_writer() as writer:
        for document, record in zip(experiment.documents, folder.documents(), strict=True):
            if document.title != record.title:
                raise InputError(
                    f"{folder.run_id}: its data file now has {document.title!r} where {record.title!r} was"
                )
            if record.steps:
                extraction = await method.extract(document, _StoredAnswers(record).answer)
                record = record.with_extraction(extraction)
            writer.write(record)
            totals.add(record)
    folder.write_predictions(totals.predictions())
    folder.write_manifest({**manifest, **totals.as_json()})
    labelled = experiment.documents if gold is None else load_dataset(str(gold)).documents
    return store_metrics(folder, labelled, totals.by_title, facts)


def score_submission(predictions: Path, gold: Path, train: Path | None) -> dict[str, Any]:
    """The official metrics of a predictions file, as flat JSON values."""
    claimed = read_submission(predictions)
    return score(load_dataset(str(gold)).documents, claimed, _train_facts(train)).as_dict()


def _train_facts(train: Path | None) -> TrainFacts | None:
    return None if train is None else facts_in_train(load_dataset(str(train)).documents)


class _StoredAnswers:
    """Answers a document's requests from its record, by their messages."""

    def __init__(self, record: DocumentRecord) -> None:
        self._title = record.title
        self._steps = {_key(step["messages"]): step for step in record.steps}

    async def answer(self, request: Request) -> Completion:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        step = self._steps.get(_key(messages))
        if step is None:
            raise InputError(f"{self._title!r}: the prompt has changed since the run; type its command to run it anew")
        return Completion(
            text=step["text"],
            finish_reason=step["finish_reason"],
            usage=Usage(**step["usage"]),
            reasoning=step["reasoning"],
            refusal=step["refusal"],
            latency_s=step["latency_s"],
        )


def _key(messages: list[dict[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((message["role"], message["content"]) for message in messages)
