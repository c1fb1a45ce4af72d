"""`harness predict`: triplets of a corpus as Parquet, without gold and without scores against it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from harness import strict_json
from harness.cli.options import ClusterOption, DisplayOption, FailOnErrorOption, JsonOption, WorkersOption
from harness.cli.run_options import fields_of_run, with_options_of
from harness.runs.config import OPTIONS, RunConfig
from harness.runs.failures import MOST_FAILED

_NOT_OF_A_CORPUS = {
    "dataset", "split", "data_dir", "limit", "sample", "stratify", "documents", "range", "part", "candidates", "refine",
    "refine_options", "shots", "shots_from",
}  # fmt: skip
PREDICTS = tuple(option for name, option in OPTIONS.items() if name not in _NOT_OF_A_CORPUS)
"""The options of a run that say how a model is asked, not what it is asked about."""


@with_options_of(fields_of_run(PREDICTS))
def predict(
    fields: dict[str, Any],
    source: Annotated[
        str,
        typer.Argument(metavar="INPUT", help="A file, folder or pattern, here or at any address that fsspec reads."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the Parquet files; the same command resumes.")],
    schema: Annotated[
        str | None,
        typer.Option(help="A corpus such as redocred, or a rel_info.json (default: the encoder's, else redocred)."),
    ] = None,
    block_documents: Annotated[
        int, typer.Option(min=1, help="Documents in a block, and in a file of the output.")
    ] = 256,
    cluster: ClusterOption = None,
    workers: WorkersOption = 1,
    fail_on_error: FailOnErrorOption = MOST_FAILED,
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the triplets of every document of a corpus, and write them as Parquet, a file for each block.

    INPUT is in DocRED's form (title, sents, vertexSet): Parquet, JSON lines or a JSON list. Labels are not looked at.
    A row of the output has file, row, title, status, error and triplets (head, relation, tail, score, evidence, names).
    A block that is there is not predicted again. A row that is no document gets the status bad_input and stops nothing.

    \b
    Examples:
      harness predict corpus.jsonl --model atlop-minilm --out predictions
      harness predict s3://bucket/corpus/ --model qwen2.5-7b --prompt tagged --base-url http://gpu:8000/v1 --out p
      harness predict 'corpus/*.parquet' --model atlop-minilm --out predictions --cluster auto --workers 2
    """
    from harness.cli.display import chosen_display
    from harness.cli.transfers import counting_progress
    from harness.prediction.execute import PredictionJob, predict_corpus

    config = RunConfig(**fields)
    job = PredictionJob(
        source, config.with_absolute_paths() if cluster else config, out.resolve(), schema, block_documents
    )
    kind = chosen_display(display, as_json)
    clock = time.perf_counter()
    with counting_progress("documents", None, kind) as advance:

        def started(total: int) -> Any:
            return lambda count: advance(count, total)

        result = predict_corpus(job, started, cluster, workers)
    seconds = time.perf_counter() - clock
    if as_json:
        typer.echo(strict_json.dumps({**result.as_json(), "seconds": round(seconds, 3)}))
    else:
        statuses = ", ".join(f"{count:,} {status}" for status, count in sorted(result.statuses.items()))
        before = f" ({result.done_before:,} of them before)" if result.done_before else ""
        typer.echo(
            f"{result.documents:,} documents{before}: {statuses or 'none'}; {result.triplets:,} triplets in {out}"
        )
    for failure in result.failures:
        typer.echo(f"not predicted: {failure}", err=True)
    if result.failed_too_often(fail_on_error):
        raise typer.Exit(1)
