"""Predictions as a file: the DocRED submission format, ``[{"title", "h_idx", "t_idx", "r", "evidence"}]``."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from harness.errors import InputError, StorageError
from harness.types import Prediction, Triplet

_EXAMPLE = '{"title": "Paris", "h_idx": 0, "t_idx": 1, "r": "P17", "evidence": [0]}'


def read_submission(path: Path) -> dict[str, list[Prediction]]:
    """The predictions of a submission file by title, in the order of the file, duplicates included.

    ``evidence`` may be left out; keys that are not of the format are ignored.

    Raises InputError, one line that names the item (from 0), the field and the remedy.
    """
    predictions: dict[str, list[Prediction]] = {}
    for index, item in enumerate(_items(path)):
        title, prediction = _prediction(f"{path}: item {index}", item)
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


def _items(path: Path) -> list[object]:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: cannot be read ({reason}); give a file of predictions") from error
    if not content.strip():
        raise InputError(f"{path}: is empty; give a JSON list of predictions such as {_EXAMPLE}")
    try:
        items = json.loads(content)
    except RecursionError as error:
        raise InputError(f"{path}: is nested too deeply; give a flat list of predictions") from error
    except ValueError as error:
        raise InputError(f"{path}: is not valid JSON ({error}); write the file again") from error
    if not isinstance(items, list):
        raise InputError(f"{path}: is {_shown(items)}; give a JSON list of predictions such as {_EXAMPLE}")
    return items


def _prediction(where: str, item: object) -> tuple[str, Prediction]:
    if not isinstance(item, dict):
        raise InputError(f"{where}: is {_shown(item)}; give an object such as {_EXAMPLE}")
    for key in ("title", "h_idx", "t_idx", "r"):
        if key not in item:
            raise InputError(f'{where}: has no "{key}"; give each prediction one, as in {_EXAMPLE}')
    title = _text(where, "title", item["title"])
    where = f"{where} ({reprlib.repr(title)})"
    head = _index(where, "h_idx", item["h_idx"], "an entity index")
    tail = _index(where, "t_idx", item["t_idx"], "an entity index")
    relation = _text(where, "r", item["r"])
    sentences = item.get("evidence", [])
    if not isinstance(sentences, list):
        raise InputError(f'{where}: "evidence" is {_shown(sentences)}; give a list of sentence ids, or leave it out')
    evidence = tuple(
        _index(where, f"evidence[{position}]", sentence, "a sentence id") for position, sentence in enumerate(sentences)
    )
    return title, Prediction(Triplet(head, relation, tail), evidence)


def _text(where: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f'{where}: "{key}" is {_shown(value)}; give a string that is not empty')
    return value


def _index(where: str, key: str, value: object, expected: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f'{where}: "{key}" is {_shown(value)}; give {expected}, a whole number from 0')
    return value


def _shown(value: object) -> str:
    return f"{reprlib.repr(value)} ({type(value).__name__})"
