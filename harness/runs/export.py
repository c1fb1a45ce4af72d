"""A stored run's predictions as a file that an evaluation server takes: one function for each format."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import InputError
from harness.runs.stored_predictions import stored_predictions
from harness.scoring.submission import RESULT_FILE, submission_lines, write_whole
from harness.store import RunFolder
from harness.types import Prediction

ExportFormat = Literal["codalab"]
_FIRST_TIME_OF_ZIP = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Export:
    """The file that was written; ``documents`` were asked about, ``in_split`` are those that a server expects."""

    out: Path
    predictions: int
    documents: int
    in_split: int


def export_run(folder: RunFolder, kind: ExportFormat, out: Path | None = None) -> Export:
    """Write the predictions of a complete run, every triplet of a document once; by default beside the caller.

    Raises InputError for a run that is not complete or whose predictions are damaged, and for a file whose ending is
    none of the format's; StorageError if it cannot be written.
    """
    documents = folder.complete_manifest().documents
    write, endings = FORMATS[kind]
    path = out or Path(f"{folder.run_id}{endings[0]}")
    if path.suffix.lower() not in endings:
        raise InputError(f"--out {path}: a file of format {kind} ends in {' or '.join(endings)}")
    predictions = list(_distinct(stored_predictions(folder)))
    write_whole(path, write(predictions, path.suffix.lower()))
    return Export(path, len(predictions), documents.asked, documents.in_split)


Titled = tuple[str, Prediction]
"""A prediction with the title of its document."""


def _codalab(predictions: list[Titled], ending: str) -> Iterator[bytes]:
    """``result.json`` of DocRED's CodaLab competition, alone or in a zip.

    The zip holds it without compression and time: the same predictions are the same bytes on every machine.
    """
    if ending == ".json":
        yield from submission_lines(predictions)
        return
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        member = zipfile.ZipInfo(RESULT_FILE, _FIRST_TIME_OF_ZIP)
        member.create_system, member.external_attr = 3, 0o644 << 16
        archive.writestr(member, b"".join(submission_lines(predictions)))
    yield packed.getvalue()


FORMATS: Mapping[ExportFormat, tuple[Callable[[list[Titled], str], Iterator[bytes]], tuple[str, ...]]] = {
    "codalab": (_codalab, (".zip", ".json")),
}
"""How each format is written, and the endings of its files, the default first."""


def _distinct(by_title: Mapping[str, list[Prediction]]) -> Iterator[Titled]:
    for title, predictions in by_title.items():
        first = {one.triplet: one for one in reversed(predictions)}
        yield from ((title, first[triplet]) for triplet in dict.fromkeys(one.triplet for one in predictions))
