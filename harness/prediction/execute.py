"""Predicting a corpus block by block: checkpointed, resumable, in this process or on a Ray cluster."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, InputError
from harness.json_files import json_text, whole_value
from harness.prediction.blocks import Block, BlockReader, blocks_of, files_of
from harness.prediction.output import counts_of, write_block
from harness.prediction.predictors import Predictor, predictor_of
from harness.runs.config import RunConfig

MANIFEST = "_manifest.json"
"""Readers of a folder of Parquet files pass over names that begin with an underscore."""

BLOCK_DOCUMENTS = 256
"""Documents in a block, unless the user says otherwise: what is done anew after a kill."""


@dataclass(frozen=True)
class PredictionJob:
    """What is predicted, by which model, and where it goes."""

    source: str
    config: RunConfig
    out: Path
    schema: str | None = None
    block_documents: int = BLOCK_DOCUMENTS


@dataclass
class PredictionResult:
    """What came of a corpus; ``failures`` are the blocks and files that could not be read or predicted."""

    out: Path
    documents: int = 0
    triplets: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    done_before: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, counts: dict[str, Any]) -> None:
        """Count a block that is done."""
        self.statuses.update(counts["statuses"])
        self.documents += sum(counts["statuses"].values())
        self.triplets += counts["triplets"]

    def failed_too_often(self, most: float) -> bool:
        """Whether a block failed, or more than the share ``most`` of the documents did not end ``ok``."""
        return bool(self.failures) or self.documents - self.statuses["ok"] > most * self.documents

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {**asdict(self), "out": str(self.out), "statuses": dict(self.statuses)}


Advance = Callable[[int], None]
"""Is told how many documents more are done."""


class BlockWorker:
    """Predicts one block after the other with a model that is loaded once."""

    def __init__(self, predictor: Predictor, out: Path) -> None:
        self._predictor = predictor
        self._out = out
        self._reader = BlockReader()

    async def work(self, block: Block) -> str:
        """Predict and store a block; returns what is wrong where that cannot be done, which stops no other."""
        try:
            rows = self._reader.rows(block)
            documents = [row.document for row in rows if row.document is not None]
            write_block(self._out, block, rows, await self._predictor.predict(documents))
        except InputError as error:
            return str(error)
        except (RuntimeError, ValueError, ArithmeticError) as error:
            # Whatever a model's library raises about these documents says nothing about others.
            where = f"{block.file}, rows {block.first} to {block.end - 1}"
            return f"{where}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return ""


def predict_corpus(
    job: PredictionJob, started: Callable[[int], Advance], cluster: str | None = None, workers: int = 1
) -> PredictionResult:
    """Predict all that is not there yet; ``started`` hears how many documents there are, and gives what counts them.

    Blocks with an ``api_error`` are done anew. Raises InputError where ``job.out`` holds predictions of another
    question, HarnessError where the model cannot go on.
    """
    files = files_of(job.source)
    predictor = predictor_of(job.config, job.schema)
    _check_folder(job, predictor)
    result = PredictionResult(job.out)
    blocks = list(_readable(blocks_of(files, job.block_documents), result))
    _check_parts(job, blocks, result)
    advance = started(sum(block.end - block.first for block in blocks))
    to_do = []
    for block in blocks:
        counts = counts_of(job.out, block)
        if counts is None or counts["statuses"].get("api_error"):
            to_do.append(block)
        else:
            result.add(counts)
            result.done_before += block.end - block.first
            advance(block.end - block.first)
    if cluster is None:
        outcomes: Iterable[tuple[Block, str]] = _predict_here(predictor, job.out, to_do)
    else:
        from harness.prediction.on_ray import predict_on_ray

        outcomes = predict_on_ray(job, to_do, cluster, workers)
    for block, error in outcomes if to_do else ():
        counts = None if error else counts_of(job.out, block)
        if counts is None:
            result.failures.append(error or f"{job.out / block.name}: was not written: is the folder shared?")
        else:
            result.add(counts)
        advance(block.end - block.first)
    return result


def _predict_here(predictor: Predictor, out: Path, blocks: list[Block]) -> Iterator[tuple[Block, str]]:
    worker = BlockWorker(predictor, out)
    with asyncio.Runner() as loop:
        loop.run(predictor.__aenter__())
        try:
            for block in blocks:
                yield block, loop.run(worker.work(block))
        finally:
            loop.run(predictor.__aexit__(None, None, None))


def _readable(found: Iterable[Block | InputError], result: PredictionResult) -> Iterator[Block]:
    for one in found:
        if isinstance(one, Block):
            yield one
        else:
            result.failures.append(str(one))


def _check_parts(job: PredictionJob, blocks: list[Block], result: PredictionResult) -> None:
    """Raise InputError where the folder holds a part of no block: its rows would be there beside those of now."""
    names = {block.name for block in blocks}
    others = sorted(one.name for one in job.out.glob("part-*.parquet") if one.name not in names)
    if others and not result.failures:  # Of a file that cannot be read just now, the parts stay.
        raise InputError(
            f"{job.out} holds {others[0]}, which is of no rows that {job.source} has now: name another --out"
        )


def _check_folder(job: PredictionJob, predictor: Predictor) -> None:
    """Make the folder, or see that what it holds is of the same input, model and size of block."""
    asked = {
        "input": job.source,
        "model": job.config.model,
        "prompt": job.config.prompt,
        "block_documents": job.block_documents,
        "question": dict(predictor.identity),
    }
    text = json_text(asked, ensure_ascii=False, indent=2, default=str)
    manifest = job.out / MANIFEST
    if manifest.is_file():
        stored = whole_value(manifest, "the file", remedy="name another --out")
        if json_text(stored, ensure_ascii=False, indent=2) != text:
            raise InputError(f"{job.out} holds predictions of another input, model or block size: name another --out")
        return
    try:
        job.out.mkdir(parents=True, exist_ok=True)
        partial = manifest.with_name(f"{MANIFEST}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(manifest)
    except OSError as error:
        raise HarnessError(f"cannot write {job.out}: {error.strerror or error}; name another --out") from None
