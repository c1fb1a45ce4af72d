"""Runs of the parts of a split become the run over the whole split, as one process would have left it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.encoders.scores import PAIR_SCORES, ScoreFile, score_writer
from harness.encoders.seen import told
from harness.engine.journal import JOURNAL_FILE, Journal
from harness.errors import InputError
from harness.records.manifest import Asked, CompleteManifest
from harness.runs.manifest import RunManifest
from harness.runs.planned_run import PlannedRun, Scope
from harness.runs.rescore import run_of
from harness.runs.results import RunResult, store_scored
from harness.runs.selection import Part
from harness.runs.stored_data import WHEREVER, DataPlace
from harness.runs.totals import RunTotals
from harness.scoring.official import Scorer
from harness.store import DocumentRecord, RunFolder, run_folders
from harness.types import Document, PredictionSource


@dataclass(frozen=True)
class PartRun:
    """A complete run of one part, its records read one after the other, and its pair scores if it has some."""

    result: RunResult
    part: Part
    records: Iterator[DocumentRecord]
    scores: ScoreFile | None

    @classmethod
    def of(cls, result: RunResult) -> PartRun:
        folder, part = result.folder, result.manifest.question.part
        if part is None or not result.manifest.part_of:
            raise InputError(f"{folder.run_id} is no run of a part: parts are made with --part")
        scores = ScoreFile(folder.path / PAIR_SCORES) if folder.has(PAIR_SCORES) else None
        return cls(result, Part.of(part), folder.documents(), scores)

    def next_record(self, document: Document) -> DocumentRecord:
        """The part's record of a document, which is its next one; InputError otherwise."""
        record = next(self.records, None)
        if record is None or record.title != document.title:
            raise InputError(
                f"{self.result.folder.run_id}: lacks its document {document.title!r}; type its command again"
            )
        return record


def parts_beside(folder: RunFolder) -> list[RunFolder]:
    """All parts of the run that ``folder`` is a part of, in the same results folder; only itself if it is none."""
    whole = folder.read_manifest().part_of
    beside = [one for one in run_folders(folder.path.parents[1]) if whole and one.read_manifest().part_of == whole]
    return beside or [folder]


def merge_parts(folders: Sequence[RunFolder], results: Path, place: DataPlace = WHEREVER) -> RunResult:
    """Store under ``results`` the run whose parts are in ``folders``, and put their answers into its journal.

    Its files are those of the undivided run but for times and machines. Raises InputError for parts of different
    questions, a part that is missing, not complete or named twice, and where the run is there and was not merged.
    """
    parts = [PartRun.of(RunResult.load(one)) for one in folders]
    first = parts[0].result
    for other in parts[1:]:
        _check_same_question(first, other.result)
    whole = run_of(first.folder, place).undivided
    _check_parts(parts, whole)
    target = RunFolder(results / "runs" / first.manifest.part_of)
    _check_target(target)
    totals = RunTotals(scorer=Scorer())
    with ExitStack() as stack:
        stack.enter_context(target.locked())
        journal = None
        if first.manifest.source == PredictionSource.LLM:
            journal = stack.enter_context(Journal(results / JOURNAL_FILE))
            for part in parts:
                if part.result.folder.has(JOURNAL_FILE):
                    folder = part.result.folder
                    journal.take(folder.path / JOURNAL_FILE, {folder.run_id: target.run_id})
        sessions = [session for part in parts for session in part.result.manifest.sessions]
        manifest = RunManifest(
            target,
            _asked(parts, whole, results),
            journal,
            sessions=sorted(sessions, key=lambda session: session.started),
        )
        _write_documents(parts, whole.documents, target, totals)
        return store_scored(target, manifest, totals, whole, {})


def _check_same_question(first: RunResult, other: RunResult) -> None:
    one, two = ({**result.manifest.question.as_json(), "part": None} for result in (first, other))
    differing = [name for name in one.keys() | two.keys() if one.get(name) != two.get(name)]
    if first.manifest.part_of != other.manifest.part_of or differing:
        what = f": they differ in {' and '.join(sorted(differing))}" if differing else ""
        raise InputError(f"{first.folder.run_id} and {other.folder.run_id} are not parts of the same run{what}")
    if first.manifest.schema_sha256 != other.manifest.schema_sha256:
        raise InputError(f"{first.folder.run_id} and {other.folder.run_id} were made with other relations")


def _check_parts(parts: Sequence[PartRun], whole: Scope) -> None:
    """Raise InputError unless each document is in exactly one part."""
    if twice := [one for one, times in Counter(run.part for run in parts).items() if times > 1]:
        raise InputError(f"the part {twice[0]} is named twice")
    for place, document in enumerate(whole.documents):
        holding = [run for run in parts if run.part.holds(place, document.title)]
        if not holding:
            given = {str(run.part) for run in parts}
            absent = next((one for run in parts for one in run.part.siblings() if str(one) not in given), None)
            raise InputError(
                f"{document.title!r} is in none of the parts"
                + (f": run --part {absent}, too" if absent else "")
                + ", then merge again"
            )
        if len(holding) > 1:
            names = " and ".join(run.result.folder.run_id for run in holding[:2])
            raise InputError(f"{document.title!r} is in {names}: name parts that share no document")


def _check_target(target: RunFolder) -> None:
    try:
        earlier = target.read_manifest()
    except InputError:
        return
    if isinstance(earlier, CompleteManifest) and not earlier.merged:
        raise InputError(f"{target.path} is there already, and was not merged: name another --results-dir")


def _asked(parts: Sequence[PartRun], whole: Scope, results: Path) -> Asked:
    """The part of the manifest that says what was asked, as the undivided run has it."""
    first = parts[0].result.manifest
    content = {name: value for name, value in first.as_json().items() if name in Asked.model_fields}
    content.pop("part_of")
    content["run_id"] = first.part_of
    content["question"] = {name: value for name, value in content["question"].items() if name != "part"}
    content["config"] = {**content["config"], "part": None, "results": str(results.resolve())}
    content["documents"] = {"asked": whole.document_count, "in_split": first.documents.in_split}
    content["merged"] = [
        {"run_id": run.result.folder.run_id, "hardware": run.result.manifest.hardware} for run in parts
    ]
    if "encoder" in content and (first.source == PredictionSource.ENCODER or first.question.given):
        content["encoder"] = {**content["encoder"], **_seen(parts)}
    if isinstance(whole, PlannedRun) and (chosen := whole.chosen()):
        content["chosen_settings"] = chosen
    return Asked.model_validate(content)


def _seen(parts: Sequence[PartRun]) -> dict[str, Any]:
    """What the encoder saw of the documents of all parts."""
    numbers: Counter[str] = Counter()
    for run in parts:
        encoder = run.result.manifest.encoder
        if encoder is None or encoder.seen_documents is None:
            return {}
        numbers.update({name: count or 0 for name, count in encoder.seen_documents.as_json().items()})
    return {"seen": told(numbers), "seen_documents": dict(numbers)}


def _write_documents(
    parts: Sequence[PartRun], documents: Iterable[Document], target: RunFolder, totals: RunTotals
) -> None:
    """Write records and pair scores in the order of the dataset; one document is held at a time."""
    with target.document_writer() as writer, ExitStack() as stack:
        pairs = None
        if (scores := parts[0].scores) is not None:
            pairs = stack.enter_context(score_writer(target.path / PAIR_SCORES, scores.relations))
        for place, document in enumerate(documents):
            run = next(one for one in parts if one.part.holds(place, document.title))
            record = run.next_record(document)
            writer.write(record)
            totals.add(record, document)
            if pairs is not None:
                if run.scores is None or document.title not in run.scores:
                    raise InputError(f"{run.result.folder.run_id}: has no pair scores of {document.title!r}")
                role = run.scores.role(document)
                pairs.write(run.scores[document.title], None if role is None else (document, role))
        for run in parts:
            for record in run.records:  # its end says whether some are missing
                raise InputError(f"{run.result.folder.run_id}: {record.title!r} is no document of its part")
