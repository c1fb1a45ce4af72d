"""The documents that a trained encoder saw, by the hashes of their content: a file beside ``training.json``.

The file ``seen.bin`` is a line of JSON and then the hashes, ``HASH_BYTES`` each, sorted: those of the documents trained
on, then those that epoch or threshold were chosen by. The line holds both numbers, whether that is all that the
encoder saw, and two checksums: that of the hashes, and that of the question in ``training.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from harness.datasets.content import HASH_BYTES, content_hash
from harness.encoders.weights import fields_of, read_record, storing
from harness.errors import InputError
from harness.types import Document

SEEN = "seen.bin"
FORMAT = "docre-harness seen 1"
UNKNOWN = "what the encoder saw in training is unknown"


class Role(IntEnum):
    """What a document was to the training of an encoder."""

    NOT_SEEN = 0
    TRAINED_ON = 1
    CHOSEN_BY = 2
    UNKNOWN = 3


@dataclass(frozen=True)
class Seen:
    """The content hashes of the documents that an encoder, or one that it builds on, was trained on or chosen by.

    Not ``is_whole``, it may have seen others, too.
    """

    trained_on: frozenset[bytes] = frozenset()
    chosen_by: frozenset[bytes] = frozenset()
    is_whole: bool = True

    @classmethod
    def of(cls, train: Iterable[Document] = (), choose: Iterable[Document] = ()) -> Seen:
        return cls(frozenset(map(content_hash, train)), frozenset(map(content_hash, choose)))

    def __or__(self, other: Seen) -> Seen:
        return Seen(
            self.trained_on | other.trained_on, self.chosen_by | other.chosen_by, self.is_whole and other.is_whole
        )

    def role(self, document: Document) -> Role:
        """What the document was; one that was trained on and chosen by was trained on."""
        content = content_hash(document)
        if content in self.trained_on:
            return Role.TRAINED_ON
        if content in self.chosen_by:
            return Role.CHOSEN_BY
        return Role.NOT_SEEN if self.is_whole else Role.UNKNOWN


def seen_by(folder: Path) -> Seen:
    """What the encoder in ``folder`` saw, all members of an ensemble together.

    Nothing is known (not ``is_whole``) where ``seen.bin``, or the ``training.json`` that it belongs to, is missing.
    Raises InputError for a damaged file, and for the file of another training.
    """
    seen = _seen_itself(folder)
    for member in fields_of(folder).get("members", ()):
        seen |= seen_by(folder / str(member))
    return seen


def _seen_itself(folder: Path) -> Seen:
    question = _digest(read_record(folder))
    path = folder / SEEN
    try:
        line, _, hashes = path.read_bytes().partition(b"\n")
        header = json.loads(line)
        train, choose = (int(header[name]) for name in ("trained_on", "chosen_by"))
        is_sound = header["format"] == FORMAT and header["sha256"] == hashlib.sha256(hashes).hexdigest()
        if not is_sound or min(train, choose) < 0 or len(hashes) != (train + choose) * HASH_BYTES:
            raise ValueError("its numbers or checksum do not fit its hashes")
        is_whole, belongs_to = bool(header["is_whole"]), header["question"]
    except FileNotFoundError:
        return Seen(is_whole=False)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); fetch or train the encoder again") from error
    if question is None and belongs_to is not None:
        return Seen(is_whole=False)
    if question != belongs_to:
        raise InputError(f"{path}: belongs to another training than its {folder.name}; fetch or train it again")
    each = [hashes[place : place + HASH_BYTES] for place in range(0, len(hashes), HASH_BYTES)]
    return Seen(frozenset(each[:train]), frozenset(each[train:]), is_whole)


def write_seen(folder: Path, seen: Seen, question: Mapping[str, Any] | None) -> None:
    """Write what the encoder in ``folder`` saw; ``question`` is that of its ``training.json``, None without one."""
    hashes = b"".join([*sorted(seen.trained_on), *sorted(seen.chosen_by)])
    header = {
        "format": FORMAT,
        "trained_on": len(seen.trained_on),
        "chosen_by": len(seen.chosen_by),
        "is_whole": seen.is_whole,
        "question": None if question is None else _digest({"question": question}),
        "sha256": hashlib.sha256(hashes).hexdigest(),
    }
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{SEEN}.partial"
        partial.write_bytes(json.dumps(header).encode() + b"\n" + hashes)
        partial.replace(folder / SEEN)


def _digest(record: Mapping[str, Any] | None) -> str | None:
    """The checksum of the question in a training's record; None without a record."""
    if record is None:
        return None
    text = json.dumps(record["question"], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def seen_of(roles: Iterable[Role]) -> dict[str, Any]:
    """For the manifest: how many of a run's documents had each role, and the same in words (``seen``)."""
    counts = Counter(roles)
    named = {role.name.lower(): counts[role] for role in Role if role != Role.NOT_SEEN}
    numbers = {"documents": counts.total(), **named}
    return {"seen": told(numbers), "seen_documents": numbers}


def told(numbers: Mapping[str, int]) -> str:
    """The numbers of ``seen_of`` in words; "" where no document was seen."""
    of_all = f"of the {numbers['documents']:,} documents"
    parts = [
        *([f"it was trained on {numbers['trained_on']:,} {of_all}"] if numbers["trained_on"] else []),
        *([f"its epoch or threshold was chosen by {numbers['chosen_by']:,} {of_all}"] if numbers["chosen_by"] else []),
    ]
    if parts:
        return f"the encoder saw the documents: {', '.join(parts)}"
    return UNKNOWN if numbers["unknown"] else ""
