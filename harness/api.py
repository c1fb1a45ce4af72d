"""The harness from Python: ``from harness import load_dataset, run, score, leaderboard, compare, extract``.

The functions do what the commands of their names do, say nothing, and raise the errors of ``harness.errors``. Every
table is a pandas DataFrame; fractions are 0 to 1.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.datasets.registry import load_dataset
from harness.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from harness.analyses.comparison import Comparison
    from harness.extraction.plan import Extraction
    from harness.extraction.results import ExtractedDocument
    from harness.runs.execute import Observer
    from harness.runs.results import RunResult
    from harness.runs.score_tables import ScoreTables
    from harness.runs.sources.encoder import EncoderExperiment
    from harness.runs.stored_data import DataPlace
    from harness.scoring.corrections import Correction
    from harness.store import RunFolder

__all__ = ["compare", "extract", "leaderboard", "load_dataset", "run", "score"]

_PATHS = ("data_dir", "results")

Outcome = TypeVar("Outcome")


def run(model: str, prompt: str = "", *, batch: bool = False, **options: Any) -> RunResult:
    """Ask a model about every document, store and score its answers; the same call again resumes, or replays.

    ``options`` are the fields of ``harness.runs.config.RunConfig``, such as ``dataset``, ``split``, ``limit``,
    ``constrain``, ``prompt_options``, ``model_options``, ``shots`` and ``results``. An encoder takes no prompt. With
    ``batch``, the model is asked in batches of its provider, which are waited for. The
    scores are in ``tables`` of what is returned, and in the files of its ``folder``.
    """
    from harness.models import given_base_url
    from harness.runs.batch import execute_in_batches
    from harness.runs.config import RunConfig
    from harness.runs.execute import Unwatched, execute
    from harness.runs.plan import prepare
    from harness.runs.sources.encoder import execute_encoder, is_encoder, prepare_encoder
    from harness.runs.sources.encoder_scores import encoders_to_run

    known = [one.name for one in fields(RunConfig) if one.name not in ("model", "prompt")]
    if unknown := sorted(options.keys() - set(known)):
        raise InputError(f"run() has no option {unknown[0]!r}; it has {', '.join(known)}")
    options = _with_paths(options)
    base_url = options.get("base_url")
    options["base_url"] = given_base_url(model, " ".join(base_url) if isinstance(base_url, list | tuple) else base_url)
    config = RunConfig(model, prompt, **options)
    if is_encoder(config):
        if batch:
            raise InputError(f"{model} is an encoder, which is not asked in batches: leave out batch")
        return execute_encoder(prepare_encoder(config), _nothing)
    for encoder in encoders_to_run(config):
        _score_first(encoder)
    if batch:
        return _finish(execute_in_batches(prepare(config), Unwatched()))
    return _finish(execute(prepare(config), Unwatched()))


def score(
    path: str | Path,
    gold: str | Path | None = None,
    train: str | Path | None = None,
    results: str | Path = "results",
    *,
    dataset: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> ScoreTables:
    """Score a stored run again from its raw answers, or a file of predictions against the labels of ``gold``.

    ``path`` is a run (folder, id, part of its id) or a file in the submission format; ``train`` is a training file, for
    Ign F1. A run's files are rewritten, unless it is scored against other labels. ``gold`` is a file, or ``NAME:SPLIT``
    of a corpus in ``data_dir``. Without it, ``dataset`` or ``data_dir`` is where the data of a run is now.
    """
    from harness.runs import rescore
    from harness.runs.score_tables import ScoreTables
    from harness.store import find_run

    training, kept_in = (None if place is None else Path(place) for place in (train, data_dir))
    if Path(path).is_file():
        if gold is None:
            raise InputError(f"{path} is a predictions file: give the labels with gold=FILE")
        return ScoreTables(rescore.score_submission(Path(path), gold, training, kept_in))
    folder = find_run(Path(results), str(path))
    if gold is not None:
        return rescore.score_against(folder, gold, training, kept_in).tables
    return _finish(rescore.rescore_run(folder, training, _place(dataset, data_dir))).tables


def extract(
    texts: str | Iterable[str],
    *,
    entities: str = "entities-minilm",
    relations: str = "atlop-minilm",
    schema: str | Path = "redocred",
    min_score: float | None = None,
    options: Mapping[str, str] | None = None,
    **asked: Any,
) -> list[ExtractedDocument]:
    """The entities and relations of plain texts, by character offsets; the models are loaded with the first call.

    ``entities``, ``relations``, ``schema`` and ``min_score`` are as of `harness extract`, ``options`` are those of
    ``-M``. Where a language model is asked, ``asked`` are fields of ``RunConfig``: ``prompt``, ``prompt_options``,
    ``refine``, ``candidates``, ``adapter``, ``base_url``, ``limits``, ``results`` and the like; what was answered is
    kept in ``results``. Texts without a whole answer are told by a warning.
    ``harness.extraction.results.triplet_table`` makes a DataFrame of what is returned.
    """
    from harness.extraction.execute import extract_texts
    from harness.extraction.inputs import text_of_string

    several = [texts] if isinstance(texts, str) else list(texts)
    if others := [type(one).__name__ for one in several if not isinstance(one, str)]:
        raise InputError(f"extract() takes a text or several, as strings, and not {others[0]}")
    if min_score is not None and not (isinstance(min_score, int | float) and 0 <= min_score <= 1):
        raise InputError(f"min_score={min_score!r}: write a number from 0 to 1")
    named = tuple(sorted((name, str(value)) for name, value in (options or {}).items()))
    planned = (entities, relations, str(schema), min_score, named)
    # Models stay loaded from call to call, but for what a language model is asked.
    extraction = _planned(*planned, asked) if asked else _loaded(*planned)
    read = (text_of_string(str(number), "", text) for number, text in enumerate(several))
    return [outcome.extracted for outcome in extract_texts(extraction, read, _Python())]


def _planned(
    entities: str,
    relations: str,
    schema: str,
    min_score: float | None,
    options: tuple[tuple[str, str], ...],
    asked: Mapping[str, Any],
) -> Extraction:
    from harness.extraction.model_options import OF_RELATIONS, OF_REQUESTS
    from harness.extraction.plan import ExtractionConfig, plan_extraction
    from harness.runs.config import RunConfig

    known = (*OF_RELATIONS, *OF_REQUESTS, "base_url", "results")
    if unknown := sorted(asked.keys() - set(known)):
        raise InputError(f"extract() has no option {unknown[0]!r}; of a language model it has {', '.join(known)}")
    asked = _with_paths(asked)
    if isinstance(addresses := asked.get("base_url"), list | tuple):
        asked["base_url"] = " ".join(addresses)
    config = ExtractionConfig(entities, relations, schema, min_score, options=dict(options))
    return plan_extraction(config, RunConfig(relations, **{"prompt": "", **asked}))


@lru_cache(4)
def _loaded(
    entities: str, relations: str, schema: str, min_score: float | None, options: tuple[tuple[str, str], ...]
) -> Extraction:
    return _planned(entities, relations, schema, min_score, options, {})


class _Python:
    """Runs models for an extraction, and says nothing but warnings."""

    def ask(self, work: Callable[[Observer], Coroutine[Any, Any, Outcome]]) -> Outcome:
        from harness.runs.execute import Unwatched

        return _finish(work(Unwatched()))

    def score(self, encoder: EncoderExperiment) -> None:
        _score_first(encoder)

    def tell(self, problem: str) -> None:
        warnings.warn(problem, stacklevel=2)


def leaderboard(
    results: str | Path = "results",
    *,
    reported: bool = False,
    max_failed: float | None = None,
    each_run: bool = False,
    **filters: str | None,
) -> pd.DataFrame:
    """All stored runs in one table: ranked ones by F1 first, board by board, then the others with the reason.

    ``filters`` are patterns for ``dataset``, ``split``, ``model``, ``prompt``, ``runner`` and ``constraint``; with
    ``reported``, papers' rows are there too. Repetitions are one row, unless ``each_run``. The column ``kind`` tells
    ranked, unranked and reported rows apart.
    """
    from harness.analyses.leaderboards import RunFilter, leaderboards
    from harness.analyses.leaderboards.formats import all_rows
    from harness.runs.failures import MOST_FAILED

    known = [one.name for one in fields(RunFilter)]
    if unknown := sorted(filters.keys() - set(known)):
        raise InputError(f"leaderboard() has no filter {unknown[0]!r}; it has {', '.join(known)}")
    most = MOST_FAILED if max_failed is None else max_failed
    chosen = RunFilter(**filters)
    return all_rows(leaderboards(Path(results), chosen, reported=reported, max_failed=most, each_run=each_run))


def compare(
    run_a: str | Path | RunFolder,
    run_b: str | Path | RunFolder,
    results: str | Path = "results",
    *,
    correction: Correction = "holm",
    dataset: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> Comparison:
    """Run B against run A over the documents that both were asked about; its tables are DataFrames.

    ``dataset`` or ``data_dir`` is where their data is now.
    """
    from harness.analyses.comparison import compare_runs
    from harness.store import RunFolder, find_run

    first, second = (run if isinstance(run, RunFolder) else find_run(Path(results), str(run)) for run in (run_a, run_b))
    return compare_runs(first, second, correction=correction, place=_place(dataset, data_dir))


def _place(dataset: str | Path | None, data_dir: str | Path | None) -> DataPlace:
    from harness.runs.stored_data import DataPlace

    return DataPlace(None if dataset is None else str(dataset), None if data_dir is None else Path(data_dir))


def _finish(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """The outcome of a coroutine; in a thread of its own where a loop is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()


def _with_paths(options: Mapping[str, Any]) -> dict[str, Any]:
    return {**options, **{name: Path(options[name]) for name in _PATHS if options.get(name) is not None}}


def _score_first(encoder: EncoderExperiment) -> None:
    """Let an encoder score the documents that a language model is asked about then."""
    from harness.runs.sources.encoder import execute_encoder

    encoder.scorer.check()
    execute_encoder(encoder, _nothing)


def _nothing() -> None:
    pass
