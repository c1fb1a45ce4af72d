"""Predictions as a file: the DocRED submission format, ``[{"title", "h_idx", "t_idx", "r", "evidence"}]``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from harness.datasets.fields import (
    Fault,
    digits,
    evidence_of,
    integer_of,
    member_of,
    object_of,
    refusal,
    text_of,
    title_of,
)
from harness.datasets.relation_table import NONE, relation_id
from harness.errors import StorageError
from harness.json_files import list_values
from harness.types import Prediction, RelationSchema, Triplet

RESULT_FILE = "result.json"
"""The file in the zip archive that DocRED's evaluation server takes."""


def read_submission(path: Path, schema: RelationSchema | None = None) -> dict[str, list[Prediction]]:
    """The predictions of a submission file by title, in the order of the file, duplicates included.

    The file is a JSON list or JSON lines, either may be gzipped, or a zip archive that holds ``result.json``.
    ``evidence`` may be left out or null; keys that are not of the format are ignored. With a ``schema``, relations may
    be named, and what predicts that a pair has none is left out.

    Raises InputError, one line that names the prediction (from 0), the field and the remedy.
    """
    predictions: dict[str, list[Prediction]] = {}
    for index, value in enumerate(list_values(path, "prediction", RESULT_FILE)):
        try:
            title, prediction = _prediction(value, schema)
        except Fault as fault:
            raise refusal(path, f"prediction {index}", value, fault) from None
        if prediction.triplet.relation != NONE:
            predictions.setdefault(title, []).append(prediction)
    return predictions


def write_submission(path: Path, predictions: Iterable[tuple[str, Prediction]]) -> None:
    """Write ``(title, prediction)`` pairs as they come, see ``write_whole``."""
    write_whole(path, submission_lines(predictions))


def submission_lines(predictions: Iterable[tuple[str, Prediction]]) -> Iterator[bytes]:
    """The pieces of a submission file, one item a line; the score is not part of the format."""
    separator = "[\n"
    for line in map(_line, predictions):
        yield f"{separator}{line}".encode()
        separator = ",\n"
    yield b"[]\n" if separator == "[\n" else b"\n]\n"


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that appears whole or not at all: one that was there stays until the new one is complete.

    Raises StorageError if it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"{path}: cannot be written ({reason}); free space or choose another folder") from error
    finally:
        with suppress(OSError):  # nothing to remove, or a second error that would hide the first
            partial.unlink()


def _line(titled: tuple[str, Prediction]) -> str:
    title, prediction = titled
    head, relation, tail = prediction.triplet
    return json.dumps({"title": title, "h_idx": head, "t_idx": tail, "r": relation, "evidence": prediction.evidence})


def _prediction(value: object, schema: RelationSchema | None) -> tuple[str, Prediction]:
    fields = object_of(value)
    title = title_of(member_of(fields, "title"))
    head, tail = _index(member_of(fields, "h_idx"), "h_idx"), _index(member_of(fields, "t_idx"), "t_idx")
    written = text_of(member_of(fields, "r"), "r")
    # A relation that the schema does not have stays as it is: the official scorer counts it as wrong.
    known = relation_id(written, schema) if schema else written
    relation = written if known is None else known
    evidence = tuple(_index(sentence, "evidence", place) for place, sentence in evidence_of(fields))
    return title, Prediction(Triplet(head, relation, tail), evidence)


def _index(value: object, *where: str | int) -> int:
    number = value if type(value) is int else integer_of(value, *where)
    if number < 0:
        raise Fault(f"is {digits(number)}; give a whole number from 0", *where)
    return number
