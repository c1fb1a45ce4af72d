"""The runs of encoders that an experiment with an LLM builds on: found, or prepared so that they can be run first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.encoders.scores import PAIR_SCORES, ScoreFile
from harness.errors import InputError
from harness.methods.candidates import ALL, GOLD, PairSource, load_pair_source
from harness.models import resolve_model
from harness.records.manifest import COMPLETE
from harness.refiners.proposer import ScoredPairs
from harness.refiners.stored_scores import StoredScores, open_scores
from harness.refiners.stored_triplets import open_triplets
from harness.runs.config import RunConfig
from harness.runs.selection import choice_flags, choice_of
from harness.runs.sources.encoder import EncoderExperiment, prepare_encoder
from harness.store import RunFolder, find_run
from harness.types import Dataset, Document, PredictionSource


def encoders_to_run(config: RunConfig) -> Iterator[EncoderExperiment]:
    """The encoders that ``candidates`` and ``refine`` name and whose scores are not stored yet.

    Raises InputError for a name that is neither that of an encoder nor that of a stored run.
    """
    for option, name in _scored_names(config):
        experiment = _encoder_named(option, name, config, None)
        if experiment and not _is_stored(experiment):
            yield experiment


def scores_named(
    option: str, name: str, config: RunConfig, dataset: Dataset, documents: Iterable[Document]
) -> StoredScores:
    """The stored scores of ``documents`` by an encoder or a run of that name; ``option`` is where it was given.

    Raises InputError where there are none, or none that fit.
    """
    experiment = _encoder_named(option, name, config, dataset)
    folder = _folder_of(experiment) if experiment else find_run(config.results, name)
    return _opened(f"{option} {name}", experiment, folder, dataset, documents)


def _opened(
    what: str,
    experiment: EncoderExperiment | None,
    folder: RunFolder,
    dataset: Dataset,
    documents: Iterable[Document],
) -> StoredScores:
    if experiment and not _is_stored(experiment):
        raise InputError(f"{what}: its scores are not stored; run `{_command(experiment.config)}` first")
    return open_scores(folder, dataset, documents, experiment.seen if experiment else None)


def scores_used(config: RunConfig) -> Iterator[RunFolder]:
    """The folders of the stored scores that the experiment builds on."""
    for option, name in _scored_names(config):
        experiment = _encoder_named(option, name, config, None)
        yield _folder_of(experiment) if experiment else find_run(config.results, name)


def pair_source_of(config: RunConfig, dataset: Dataset, documents: Iterable[Document]) -> PairSource | None:
    """Where ``config.candidates`` says that the pairs come from; None without any."""
    if config.candidates is None:
        return None
    if _are_listed(config.candidates):
        return load_pair_source(config.candidates, dataset.schema)
    experiment = _encoder_named("--candidates", config.candidates, config, dataset)
    folder = _folder_of(experiment) if experiment else find_run(config.results, config.candidates)
    if experiment is None and not folder.has(PAIR_SCORES):
        return open_triplets(folder, dataset, documents)
    return ScoredPairs(_opened(f"--candidates {config.candidates}", experiment, folder, dataset, documents))


def _scored_names(config: RunConfig) -> Iterator[tuple[str, str]]:
    if config.candidates and not _are_listed(config.candidates):
        yield "--candidates", config.candidates
    if config.refine:
        yield "--refine", config.refine


def _are_listed(candidates: str) -> bool:
    return candidates in (GOLD, ALL) or candidates.endswith(".json")


def _encoder_named(option: str, name: str, config: RunConfig, dataset: Dataset | None) -> EncoderExperiment | None:
    """The encoder over the documents of ``config``, which may be loaded already; None for the name of a stored run."""
    try:
        spec = resolve_model(name)
    except InputError:
        try:
            find_run(config.results, name)
        except InputError as error:
            raise InputError(f"{option} {name}: there is no encoder of that name, and {error}") from None
        return None
    if spec.source != PredictionSource.ENCODER:
        raise InputError(f"{option} {name}: that is no encoder; `harness models` lists them")
    # An encoder draws nothing but documents.
    choice = choice_of(config) if config.sample else {**choice_of(config), "seed": 0}
    return prepare_encoder(
        RunConfig(
            model=name,
            dataset=config.dataset,
            split=config.split,
            data_dir=config.data_dir,
            results=config.results,
            **choice,
        ),
        model_needed=False,
        dataset=dataset,
    )


def _folder_of(experiment: EncoderExperiment) -> RunFolder:
    return RunFolder(experiment.config.results / "runs" / experiment.run_id)


def _is_stored(experiment: EncoderExperiment) -> bool:
    """Whether the scores are stored, of the same relations: those of the schema may have changed beside a file."""
    folder = _folder_of(experiment)
    if not folder.has(PAIR_SCORES) or folder.read_manifest().status != COMPLETE:
        return False
    return ScoreFile(folder.path / PAIR_SCORES).relations == experiment.scorer.relations


def _command(config: RunConfig) -> str:
    parts = ["harness run", f"--model {config.model}", f"--dataset {config.dataset}"]
    parts += [f"--split {config.split}"] if config.split else []
    parts += [f"--data-dir {Path(config.data_dir)}"] if config.data_dir else []
    return " ".join([*parts, *choice_flags(config)])
