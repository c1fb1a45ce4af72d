"""The run folder: manifest, predictions, one record per document, metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from harness.errors import InputError, StorageError
from harness.json_files import MAX_STORED_CHARACTERS, json_text, line_values, shown, text_value, whole_value
from harness.shared_prompts import packed, unpacked
from harness.types import Document, Extraction, Prediction, Status, Step, TokenLogprob, Triplet

if TYPE_CHECKING:
    from harness.records.batches import StoredBatches
    from harness.records.manifest import CompleteManifest, Manifest
    from harness.records.metrics import Metrics

MANIFEST, PREDICTIONS, DOCUMENTS, METRICS = (
    "manifest.json",
    "predictions.json",
    "documents.jsonl",
    "metrics.json",
)
PARTIAL_DOCUMENTS = "documents.partial.jsonl"
BATCHES = "batches.json"
LOCK = "run.lock"
LAYOUT_VERSION = 1
RECORD_LAYOUT = 2
"""Of a record whose steps share the beginnings of their prompts; a record without a layout has whole prompts."""
REBUILD = "type the run's command again to rebuild it"
"""What to do about a damaged file of a run: the answers are in the journal, and nothing is asked twice."""


@dataclass(frozen=True)
class DocumentRecord:
    """What ``documents.jsonl`` holds of one document: enough to explain every prediction and every loss."""

    title: str
    status: Status
    error: str
    predictions: tuple[Prediction, ...]
    rejects: tuple[Mapping[str, str], ...]
    details: Mapping[str, object]
    steps: tuple[Mapping[str, Any], ...]
    requests: int
    seconds: float

    @classmethod
    def of(cls, title: str, extraction: Extraction, requests: int, seconds: float) -> DocumentRecord:
        return cls(
            title=title,
            status=extraction.status,
            error=extraction.error,
            predictions=extraction.predictions,
            rejects=tuple({"reason": reject.reason, "text": reject.text} for reject in extraction.rejects),
            details=extraction.details,
            steps=tuple(_step_record(step) for step in extraction.steps),
            requests=requests,
            seconds=round(seconds, 4),
        )

    def with_extraction(self, extraction: Extraction) -> DocumentRecord:
        """The same exchange with the model, read anew."""
        anew = self.of(self.title, extraction, self.requests, self.seconds)
        return replace(anew, steps=self.steps)

    def to_json(self) -> str:
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        content["predictions"] = [
            [*prediction.triplet, list(prediction.evidence), prediction.score] for prediction in self.predictions
        ]
        shared, steps = packed(self.steps)
        if shared:
            content |= {"layout": RECORD_LAYOUT, "shared": shared, "steps": steps}
        return json_text(content, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> DocumentRecord:
        """Inverse of :meth:`to_json`; InputError for anything else."""
        return cls.from_content(text_value(line, "a record", REBUILD), "a record")

    @classmethod
    def from_content(cls, content: Any, where: str) -> DocumentRecord:
        """The record that a JSON object stands for; InputError that names ``where`` if it is none."""
        from harness.records.base import parsed
        from harness.records.documents import Record

        parsed(Record, content, where, REBUILD)
        if content.get("layout", 1) > RECORD_LAYOUT:
            raise InputError(f"{where}: has layout {content['layout']}; this harness reads up to {RECORD_LAYOUT}")
        values = {name: content[name] for name in cls.__dataclass_fields__}
        values["predictions"] = tuple(
            Prediction(Triplet(head, relation, tail), tuple(evidence), score)
            for head, relation, tail, evidence, score in content["predictions"]
        )
        values["rejects"] = tuple(content["rejects"])
        values["steps"] = unpacked(content.get("shared", ()), content["steps"], where, REBUILD)
        return cls(**values)


def _step_record(step: Step) -> dict[str, Any]:
    """A step as JSON. Of a grammar only its form and checksum: the prompt's entities and schema rebuild it."""
    request, completion = step.request, step.completion
    constraint = request.constraint
    return {
        "name": step.name,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "constraint": constraint
        and {"form": constraint.form, "sha256": hashlib.sha256(constraint.text.encode()).hexdigest()},
        "text": completion.text,
        "reasoning": completion.reasoning,
        "refusal": completion.refusal,
        "finish_reason": completion.finish_reason,
        "usage": asdict(completion.usage),
        "latency_s": round(completion.latency_s, 4),
        "status": step.status,
        # Left out where none were asked for, as in most runs.
        **({"logprobs": [_logprob_record(token) for token in completion.logprobs]} if completion.logprobs else {}),
        **({"adjusted": list(completion.adjusted)} if completion.adjusted else {}),
        **{name: told for name in ("server", "batch") if (told := getattr(completion, name))},
        **({"repeat": request.repeat} if request.repeat else {}),
    }


def _logprob_record(token: TokenLogprob) -> dict[str, Any]:
    return {
        "token": token.token,
        "logprob": token.logprob,
        "top": [list(alternative) for alternative in token.top],
        **({} if token.unlisted is None else {"unlisted": token.unlisted}),
    }


def step_logprobs(step: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
    """The log-probabilities of a stored step's tokens; none where none were asked for."""
    return tuple(
        TokenLogprob(
            token["token"],
            token["logprob"],
            tuple((word, value) for word, value in token["top"]),
            token.get("unlisted"),
        )
        for token in step.get("logprobs", ())
    )


@dataclass
class RunFolder:
    """One run on disk. Files appear whole or not at all: each is written beside its place, then moved.

    Writing raises StorageError with what to do; reading a damaged file raises InputError.
    """

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder and keep other processes from writing it; the lock dies with the process."""
        from filelock import FileLock, Timeout

        with self.storing():
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_links()
            lock = FileLock(self.path / LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise InputError(
                    f"another process is working on {self.path}: wait for it, or stop it and type the command again"
                ) from None
        try:
            yield
        finally:
            lock.release()

    # --- the manifest and the metrics

    def write_manifest(self, manifest: Manifest) -> None:
        self._write_json(MANIFEST, {"layout": LAYOUT_VERSION, **manifest.as_json()})

    def read_manifest(self) -> Manifest | CompleteManifest:
        """The manifest: a CompleteManifest, with its totals, of a run that has ended."""
        from harness.records.manifest import parsed_manifest

        self._refuse_links()
        content = self._read_json(MANIFEST)
        if content.get("layout") != LAYOUT_VERSION:
            raise InputError(
                f"{self.path / MANIFEST} has layout {shown(str(content.get('layout')))}; this harness reads "
                f"{LAYOUT_VERSION}"
            )
        return parsed_manifest(content, str(self.path / MANIFEST), REBUILD)

    def complete_manifest(self) -> CompleteManifest:
        """The manifest of a run that has ended; raises InputError for one that has not."""
        from harness.records.manifest import CompleteManifest

        manifest = self.read_manifest()
        if not isinstance(manifest, CompleteManifest):
            raise InputError(f"{self.run_id} is {manifest.status}: finish it first with the command that made it")
        return manifest

    def write_metrics(self, metrics: Metrics) -> None:
        self._write_json(METRICS, metrics.as_json())

    def read_metrics(self) -> Metrics:
        from harness.records.base import parsed
        from harness.records.metrics import Metrics

        return parsed(Metrics, self._read_json(METRICS), str(self.path / METRICS), REBUILD)

    def write_batches(self, batches: StoredBatches) -> None:
        self._write_json(BATCHES, batches.as_json())

    def read_batches(self) -> StoredBatches | None:
        """The batches that were handed in; None if there were none. InputError where their file is damaged."""
        from harness.records.base import parsed
        from harness.records.batches import StoredBatches

        if not self.has(BATCHES):
            return None
        return parsed(StoredBatches, self._read_json(BATCHES), str(self.path / BATCHES), "move it away to ask anew")

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    # --- the documents

    @contextmanager
    def document_writer(self) -> Iterator[DocumentWriter]:
        """Write records as they come; they take their final name when the block ends without an error."""
        partial = self.path / PARTIAL_DOCUMENTS
        with self.storing():
            file = partial.open("w", encoding="utf-8")
        try:
            yield DocumentWriter(self, file)
        except BaseException:
            # The failure under way is the one to tell, not that of closing.
            with suppress(OSError):
                file.close()
            raise
        with self.storing():
            file.close()
            partial.replace(self.path / DOCUMENTS)

    def documents(self) -> Iterator[DocumentRecord]:
        """The stored records, in the order of the dataset.

        Raises InputError at a line that is damaged, at one whose title stood there before, and at the end if records
        are missing.
        """
        file = self.path / DOCUMENTS
        if not file.is_file():
            raise InputError(f"{file}: no such file: the run did not finish; run it again")
        titles: set[str] = set()
        for where, content in line_values(file, REBUILD):
            record = DocumentRecord.from_content(content, where)
            if record.title in titles:
                raise InputError(f"{where}: {shown(record.title)} stands there a second time; {REBUILD}")
            titles.add(record.title)
            yield record
        asked = self.read_manifest().documents.asked
        if len(titles) != asked:
            raise InputError(f"{file}: holds {len(titles):,} of the run's {asked:,} documents; {REBUILD}")

    def records_of(self, documents: Iterable[Document]) -> Iterator[tuple[Document, DocumentRecord]]:
        """Each of ``documents``, those that the run was asked about, with its record; InputError if they do not fit."""
        records = self.documents()
        for document in documents:
            record = next(records, None)
            if record is None or record.title != document.title:
                found = "ends" if record is None else f"has {shown(record.title)}"
                raise InputError(f"{self.path / DOCUMENTS}: {found} where {shown(document.title)} should be; {REBUILD}")
            yield document, record
        # The reader says at its end whether records are missing or left over.
        for record in records:
            raise InputError(f"{self.path / DOCUMENTS}: {shown(record.title)} is none of the documents; {REBUILD}")

    # --- how

    def _refuse_links(self) -> None:
        """A folder from elsewhere could have files of the user's read, or written over, through links in it."""
        if self.path.is_dir() and (links := sorted(file for file in self.path.iterdir() if file.is_symlink())):
            raise InputError(f"{links[0]} is a link: a run's files are files of its own; put a copy in its place")

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        target, temporary = self.path / name, self.path / f"{name}.tmp"
        text = json_text(content, ensure_ascii=False, indent=2) + "\n"
        with self.storing():
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(target)

    def _read_json(self, name: str) -> dict[str, Any]:
        file = self.path / name
        content = whole_value(file, "the file", remedy=REBUILD, most=MAX_STORED_CHARACTERS)
        if not isinstance(content, dict):
            raise InputError(f"{file} should hold one JSON object: {REBUILD}")
        return cast(dict[str, Any], content)

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Turns a failure to write within the block into one line that says what to do."""
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"cannot write {error.filename or self.path}: {error.strerror or error}. Free some space or make the "
                "folder writable, then type the same command: answers already received are in the journal"
            ) from error


@dataclass(frozen=True)
class DocumentWriter:
    """Appends records to the run's partial file."""

    folder: RunFolder
    file: IO[str]

    def write(self, record: DocumentRecord) -> None:
        with self.folder.storing():
            self.file.write(record.to_json() + "\n")


def run_folders(results: Path) -> Iterator[RunFolder]:
    """The runs under ``results/runs``, by name."""
    for manifest in sorted((results / "runs").glob(f"*/{MANIFEST}")):
        yield RunFolder(manifest.parent)


def find_run(results: Path, name_or_path: str) -> RunFolder:
    """A run by its folder, its id, or an unambiguous beginning or part of its id."""
    if not name_or_path:
        raise InputError("the name of the run is empty: `harness leaderboard` lists them")
    if (Path(name_or_path) / MANIFEST).is_file():
        return RunFolder(Path(name_or_path).resolve())
    matches = [folder for folder in run_folders(results) if name_or_path in folder.run_id]
    exact = [folder for folder in matches if folder.run_id == name_or_path]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    if matches:
        raise InputError(
            f"{name_or_path!r} could be {', '.join(folder.run_id for folder in matches[:5])}: give more of the id"
        )
    raise InputError(f"no run {name_or_path!r} under {results / 'runs'}: `harness leaderboard` lists them")
