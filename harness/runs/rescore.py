"""Scoring without a model: stored answers are read and mapped again, or a submission file is scored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from harness.datasets.gold import with_gold
from harness.datasets.registry import CORPORA, load_dataset, load_split, refuse_several
from harness.datasets.relation_table import schema_beside
from harness.encoders.entities import LLM_FINDER
from harness.encoders.seen import seen_by, seen_of
from harness.encoders.weights import folder_named
from harness.engine.journal import usage_from_json
from harness.errors import InputError
from harness.methods.found_entities import OverFoundEntities
from harness.methods.settings import GIVEN
from harness.records.manifest import Asked
from harness.records.metrics import Metrics
from harness.runs.alignment import alignment_identity
from harness.runs.metrics import NOT_GIVEN, metrics_of
from harness.runs.plan import Experiment, prepare
from harness.runs.planned_run import Scope
from harness.runs.results import RunResult
from harness.runs.stored_config import config_to_score
from harness.runs.stored_data import WHEREVER, DataPlace, run_data
from harness.runs.stored_predictions import stored_predictions
from harness.runs.totals import RunTotals
from harness.runs.training_file import read_training, training_of
from harness.scoring.entities import NumberedEntities
from harness.scoring.official import Scorer
from harness.scoring.submission import read_submission, write_submission
from harness.scoring.surface import as_strings, score_surface
from harness.store import PREDICTIONS, DocumentRecord, RunFolder, step_logprobs
from harness.types import AlignOver, Completion, Dataset, Document, ModelSpec, PredictionSource, RelationSchema, Request


async def rescore_run(folder: RunFolder, train: Path | None, place: DataPlace = WHEREVER) -> RunResult:
    """Parse, map and score the stored answers of a run anew, with the rules in force now.

    The run's files are rewritten; its answers, times and usage stay. ``place`` is where its data is now. Raises
    InputError where the run, its data or its prompt cannot be found or have changed.
    """
    experiment = run_of(folder, place)
    training = training_of(experiment.config) if train is None else read_training(train)
    totals = RunTotals(scorer=Scorer())
    with folder.locked(), folder.document_writer() as writer:
        async for document, record in replay(experiment, folder):
            writer.write(record)
            totals.add(record, document)
    metrics = experiment.metrics(totals, training)
    manifest = folder.complete_manifest()
    encoder = _encoder_of(experiment, manifest)
    manifest = manifest.changed(**({"encoder": encoder} if encoder else {}), **totals.as_json())
    write_submission(folder.path / PREDICTIONS, totals.predictions())
    folder.write_metrics(metrics)
    folder.write_manifest(manifest)
    return RunResult(folder, manifest, metrics)


async def replay(experiment: Scope, folder: RunFolder) -> AsyncIterator[tuple[Document, DocumentRecord]]:
    """Every document of a run with its record, the stored answers read anew by the experiment's method.

    The records of encoders and of imported runs have no answers and stay as they are.
    """
    method = experiment.method() if isinstance(experiment, Experiment) else None
    for document, record in folder.records_of(experiment.documents):
        if method and record.steps:
            asked = method
            if isinstance(method, OverFoundEntities) and (found := NumberedEntities.of(record.details)):
                # The finder is not run again: its entities are in the record.
                asked = method.with_stored(found)
            extraction = await asked.extract(document, _StoredAnswers(record).answer)
            yield document, record.with_extraction(extraction)
        else:
            yield document, record


async def score_realigned(
    folder: RunFolder,
    align: str | None,
    theta: float | None,
    over: AlignOver | None,
    train: Path | None,
    place: DataPlace = WHEREVER,
) -> RunResult:
    """The scores of a run's stored answers under another alignment; nothing is stored.

    A run's files answer the question in its manifest, which names the alignment. What is None is as in the run.
    Raises InputError where the run cannot be re-aligned, see ``realigned``.
    """
    experiment = realigned(folder, align, theta, over, place)
    totals = RunTotals(scorer=Scorer())
    async for document, record in replay(experiment, folder):
        totals.add(record, document)
    training = training_of(experiment.config) if train is None else read_training(train)
    metrics = experiment.metrics(totals, training)
    return RunResult(folder, folder.complete_manifest().changed(**totals.as_json()), metrics)


def realigned(
    folder: RunFolder,
    align: str | None,
    theta: float | None,
    over: AlignOver | None,
    place: DataPlace = WHEREVER,
) -> Experiment:
    """The experiment that made a run, with these options of alignment where they are not None.

    Raises InputError as ``rescore_run`` does, for options that do not fit, and for a run in several steps:
    which questions its later steps ask depends on what its first step's relations were aligned with.
    """
    if folder.complete_manifest().source != PredictionSource.LLM:
        raise InputError(f"{folder.run_id} has no answers whose relations could be aligned: no LLM was asked")
    for record in folder.documents():
        names = dict.fromkeys(step["name"] for step in record.steps)
        if len(names) > 1:
            raise InputError(
                f"{folder.run_id} asks in steps ({', '.join(names)}), and alignment decides what the later ones ask: "
                "type the run's command with other --align and --theta to run it anew"
            )
    return _experiment_of(folder, place, align, theta, over)


def score_against(folder: RunFolder, gold: str | Path, train: Path | None, data_dir: Path | None = None) -> RunResult:
    """The scores of a run's stored predictions against other labels, as of ``gold_of``; nothing is stored.

    Raises InputError unless they are of the run's documents, and where they lack the candidate pairs of its corpus:
    nothing tells then which predictions count.
    """
    result = RunResult.load(folder)
    totals = RunTotals()
    for record in folder.documents():
        totals.add(record)
    labelled = gold_of(gold, data_dir)
    missing = totals.by_title.keys() - {document.title for document in labelled.documents}
    if missing:
        raise InputError(f"{gold} lacks {len(missing)} of the run's documents, such as {min(missing)!r}")
    asked = [document for document in labelled.documents if document.title in totals.by_title]
    corpus = CORPORA.get(result.manifest.question.dataset.name)
    if corpus and corpus.arguments and any(document.candidates is None for document in asked):
        raise InputError(
            f"{gold}: does not tell the candidate pairs of {corpus.name}, by which the run is scored: give "
            f"--gold {corpus.name}:SPLIT with --data-dir FOLDER, or a file of `harness data convert --corpus "
            f"{corpus.name}`"
        )
    training = None if train is None else read_training(train)
    submitted = replace(totals, by_title={**stored_predictions(folder, labelled.schema)})
    given = result.manifest.question.prompt.options.get(GIVEN, NOT_GIVEN)
    return replace(result, metrics=metrics_of(asked, submitted, training, given=given))


def score_submission(predictions: Path, gold: str | Path, train: Path | None, data_dir: Path | None = None) -> Metrics:
    """The metrics of a predictions file against labels as of ``gold_of``."""
    refuse_several(str(gold))
    training = None if train is None else read_training(train)
    scorer = Scorer()
    if Path(gold).is_file():
        claimed = read_submission(predictions, schema_beside(Path(gold)) or RelationSchema(()))
        # Scored while the file is checked: it may be too large to keep, and reading it takes most of the time.
        labelled = load_dataset(str(gold), each=lambda document: scorer.add(document, claimed.get(document.title, ())))
        with_gold(labelled, "--gold")
    else:
        labelled = gold_of(gold, data_dir)
        claimed = read_submission(predictions, labelled.schema)
        for document in labelled.documents:
            scorer.add(document, claimed.get(document.title, ()))
    scorer.add_others(claimed)
    return metrics_of(labelled.documents, RunTotals({**claimed}, scorer=scorer), training)


def gold_of(gold: str | Path, data_dir: Path | None = None) -> Dataset:
    """The documents of ``--gold``, a file or ``NAME:SPLIT``, which is read as the literature on the corpus does.

    Raises InputError where it has no labels, and for several corpora, whose scores are not one.
    """
    refuse_several(str(gold))
    return with_gold(load_split(str(gold), data_dir), "--gold")


def surface_scores(predictions: Path, gold: Dataset) -> dict[str, float | int]:
    """AutoRE's metric of a predictions file: entities and relations compared as strings."""
    claimed = read_submission(predictions, gold.schema)
    strings = {
        document.title: as_strings(document, claimed[document.title])
        for document in gold.documents
        if document.title in claimed
    }
    return score_surface(gold.documents, strings, gold.schema).as_dict()


def surface_of_run(folder: RunFolder, place: DataPlace = WHEREVER) -> dict[str, float | int]:
    """AutoRE's metric of a stored run's predictions; InputError where its documents have no labels."""
    experiment = run_of(folder, place)
    asked = replace(with_gold(experiment.dataset, "--surface"), documents=list(experiment.documents))
    return surface_scores(folder.path / PREDICTIONS, asked)


def run_of(folder: RunFolder, place: DataPlace) -> Scope:
    """What made a complete run, its data and alignment unchanged."""
    manifest = folder.complete_manifest()
    if manifest.source == PredictionSource.LLM:
        return _experiment_of(folder, place)
    # Neither has answers to read again, so its documents are enough.
    config, dataset = run_data(config_to_score(folder, manifest), folder, manifest, place)
    return Scope(config, ModelSpec(config.model, manifest.runner, config.model), dataset)


def _encoder_of(experiment: Scope, manifest: Asked) -> Mapping[str, Any]:
    """What is known of the run's encoder: what it saw in training may have been recorded since the run."""
    config = manifest.config.as_json()
    names = [] if isinstance(experiment, Experiment) else [experiment.config.model]
    if manifest.question.given and config["finder"] != LLM_FINDER:
        names.append(config["finder"])
    elif isinstance(experiment, Experiment):
        return experiment.encoder()
    folders = [folder_named(name) for name in names]
    known = [folder for folder in folders if folder]
    seen = reduce(or_, map(seen_by, known)) if len(known) == len(folders) else None
    counted = seen_of(map(seen.role, experiment.documents)) if seen else {}
    return {**(manifest.encoder.as_json() if manifest.encoder else {}), **counted}


def _experiment_of(
    folder: RunFolder,
    place: DataPlace,
    align: str | None = None,
    theta: float | None = None,
    over: AlignOver | None = None,
) -> Experiment:
    """The experiment that made a complete run, its data unchanged, and its alignment but for what is given."""
    manifest = folder.complete_manifest()
    config, dataset = run_data(config_to_score(folder, manifest), folder, manifest, place)
    as_run = align is None and theta is None and over is None
    if not as_run:
        config = replace(
            config,
            align=align or config.align,
            theta=config.theta if theta is None else theta,
            align_over=over or config.align_over,
        )
    experiment = prepare(config, model_needed=False, dataset=dataset)
    alignment = experiment.settings.alignment
    asked = manifest.question.alignment
    if as_run and alignment and (asked is None or alignment_identity(alignment) != asked.as_json()):
        raise InputError(
            f"{folder.run_id}: the model or the texts of its alignment have changed since; type the run's command to "
            "run it anew, or score it with --align"
        )
    return experiment


class _StoredAnswers:
    """Answers a document's requests from its record, by their messages and the number of the sample."""

    def __init__(self, record: DocumentRecord) -> None:
        self._title = record.title
        self._steps = {_key(step["messages"]): step for step in record.steps}
        self._samples = {(_key(step["messages"]), step.get("repeat", 0)): step for step in record.steps}

    async def answer(self, request: Request) -> Completion:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        # Older records do not tell the number; none of theirs has several samples.
        step = self._samples.get((_key(messages), request.repeat), self._steps.get(_key(messages)))
        if step is None:
            raise InputError(f"{self._title!r}: the prompt has changed since the run; type its command to run it anew")
        return Completion(
            text=step["text"],
            finish_reason=step["finish_reason"],
            usage=usage_from_json(step["usage"]),
            reasoning=step["reasoning"],
            refusal=step["refusal"],
            logprobs=step_logprobs(step),
            latency_s=step["latency_s"],
            adjusted=tuple(step.get("adjusted", ())),
        )


def _key(messages: list[dict[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((message["role"], message["content"]) for message in messages)
