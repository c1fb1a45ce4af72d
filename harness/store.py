"""The run folder: manifest, predictions, one record per document, metrics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

from harness import strict_json
from harness.errors import InputError, StorageError
from harness.types import Extraction, Prediction, Status, Step, TokenLogprob, Triplet

MANIFEST, PREDICTIONS, DOCUMENTS, METRICS = (
    "manifest.json",
    "predictions.json",
    "documents.jsonl",
    "metrics.json",
)
PARTIAL_DOCUMENTS = "documents.partial.jsonl"
LOCK = "run.lock"
LAYOUT_VERSION = 1
_MANIFEST_KEYS = {"status", "question", "config", "sessions", "documents"}


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
        return strict_json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> DocumentRecord:
        content = json.loads(line)
        content["predictions"] = tuple(
            Prediction(Triplet(head, relation, tail), tuple(evidence), score)
            for head, relation, tail, evidence, score in content["predictions"]
        )
        for name in ("rejects", "steps"):
            content[name] = tuple(content[name])
        return cls(**content)


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
        # Left out where none were asked for, as in most runs.
        **({"logprobs": [_logprob_record(token) for token in completion.logprobs]} if completion.logprobs else {}),
        **({"adjusted": list(completion.adjusted)} if completion.adjusted else {}),
    }


def _logprob_record(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.logprob, "top": [list(alternative) for alternative in token.top]}


def step_logprobs(step: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
    """The log-probabilities of a stored step's tokens; none where none were asked for."""
    return tuple(
        TokenLogprob(token["token"], token["logprob"], tuple((word, value) for word, value in token["top"]))
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

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        self._write_json(MANIFEST, {"layout": LAYOUT_VERSION, **manifest})

    def read_manifest(self) -> dict[str, Any]:
        self._refuse_links()
        manifest = self._read_json(MANIFEST)
        missing = sorted(_MANIFEST_KEYS - manifest.keys())
        if manifest.get("layout") == LAYOUT_VERSION and missing:
            raise InputError(f"{self.path / MANIFEST} lacks {missing[0]!r}: run again to rebuild it")
        if manifest.get("layout") != LAYOUT_VERSION:
            raise InputError(
                f"{self.path / MANIFEST} has layout {manifest.get('layout')!r}; this harness reads {LAYOUT_VERSION}"
            )
        return manifest

    def complete_manifest(self) -> dict[str, Any]:
        """The manifest of a run that has ended; raises InputError for one that has not."""
        manifest = self.read_manifest()
        if manifest["status"] != "complete":
            raise InputError(f"{self.run_id} is {manifest['status']}: finish it first with the command that made it")
        return manifest

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        self._write_json(METRICS, metrics)

    def read_metrics(self) -> dict[str, Any]:
        return self._read_json(METRICS)

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
        """The stored records, in the order of the dataset."""
        file = self.path / DOCUMENTS
        try:
            with file.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    try:
                        yield DocumentRecord.from_json(line)
                    except (ValueError, TypeError, KeyError) as error:
                        raise InputError(
                            f"{file}, line {number} is damaged ({error}): run again to rebuild it"
                        ) from error
        except OSError as error:
            raise InputError(
                f"{file} cannot be read ({error.strerror}): the run did not finish; run it again"
            ) from error

    # --- how

    def _refuse_links(self) -> None:
        """A folder from elsewhere could have files of the user's read, or written over, through links in it."""
        if self.path.is_dir() and (links := sorted(file for file in self.path.iterdir() if file.is_symlink())):
            raise InputError(f"{links[0]} is a link: a run's files are files of its own; put a copy in its place")

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        target, temporary = self.path / name, self.path / f"{name}.tmp"
        with self.storing():
            temporary.write_text(strict_json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            temporary.replace(target)

    def _read_json(self, name: str) -> dict[str, Any]:
        file = self.path / name
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{file} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise InputError(f"{file} is not JSON ({error}): run again to rebuild it") from error
        if not isinstance(content, dict):
            raise InputError(f"{file} should hold one JSON object: run again to rebuild it")
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
