"""The documents and relations that a trained encoder or adapter saw: a file beside ``training.json``.

The file ``seen.bin`` is a line of JSON and then four sorted lists: the hashes (``HASH_BYTES`` each) of the documents
trained on and of those that epoch or threshold were chosen by, then the sampled pieces (``PIECE_BYTES`` each) of both.
The line holds the four numbers, the relations that have a label in these documents (``relation_keys``), whether that is
all that the encoder saw, and two checksums: that of the lists and the relations, and that of the question in
``training.json``. Files of the first version have no pieces, and those of the first two no relations.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from harness.datasets.content import (
    HASH_BYTES,
    PIECE_BYTES,
    content_hash,
    content_pieces,
    is_mostly_in,
    relation_keys,
)
from harness.encoders.weights import fields_of, read_record, storing
from harness.errors import InputError
from harness.types import Document, RelationSchema

SEEN = "seen.bin"
FORMAT = "docre-harness seen 3"
_EARLIER = "docre-harness seen 2"
_FIRST = "docre-harness seen 1"
ENCODER = "encoder"
_LISTS = (
    ("trained_on", HASH_BYTES),
    ("chosen_by", HASH_BYTES),
    ("trained_pieces", PIECE_BYTES),
    ("chosen_pieces", PIECE_BYTES),
)


class Role(IntEnum):
    """What a document was to the training of an encoder."""

    NOT_SEEN = 0
    TRAINED_ON = 1
    CHOSEN_BY = 2
    UNKNOWN = 3
    RELATIONS_SEEN = 4
    """It was not seen, but tests relations that training must not have, and one of them was trained on."""


@dataclass(frozen=True)
class Seen:
    """The content of the documents that an encoder, or one that it builds on, was trained on or chosen by.

    ``trained_on`` and ``chosen_by`` are hashes of whole documents, ``trained_pieces`` and ``chosen_pieces`` samples of
    their pieces; ``relations`` are the keys of the relations that have a label in them, None where nothing tells. Not
    ``is_whole``, it may have seen others, too.
    """

    trained_on: frozenset[bytes] = frozenset()
    chosen_by: frozenset[bytes] = frozenset()
    is_whole: bool = True
    trained_pieces: frozenset[int] = frozenset()
    chosen_pieces: frozenset[int] = frozenset()
    relations: frozenset[str] | None = frozenset()

    @classmethod
    def of(
        cls,
        train: Iterable[Document] = (),
        choose: Iterable[Document] = (),
        schema: RelationSchema | None = None,
    ) -> Seen:
        """What is seen of these documents; no relation without a ``schema``, as by a finder of entities."""
        stated: set[str] = set()
        trained_on, trained_pieces = _contents(train, stated)
        chosen_by, chosen_pieces = _contents(choose, stated)
        relations = schema.within(stated).relations if schema else ()
        keys = frozenset(key for relation in relations for key in relation_keys(relation))
        return cls(trained_on, chosen_by, True, trained_pieces, chosen_pieces, keys)

    def __or__(self, other: Seen) -> Seen:
        return Seen(
            self.trained_on | other.trained_on,
            self.chosen_by | other.chosen_by,
            self.is_whole and other.is_whole,
            self.trained_pieces | other.trained_pieces,
            self.chosen_pieces | other.chosen_pieces,
            None if self.relations is None or other.relations is None else self.relations | other.relations,
        )

    def role(self, document: Document) -> Role:
        """What the document was, also if parts of it were changed; one trained on and chosen by was trained on.

        A document of a test of unseen relations is none if one of these was trained on.
        """
        content, pieces = content_hash(document), content_pieces(document)
        if content in self.trained_on or is_mostly_in(pieces, self.trained_pieces):
            return Role.TRAINED_ON
        if content in self.chosen_by or is_mostly_in(pieces, self.chosen_pieces):
            return Role.CHOSEN_BY
        if any(relation_keys(one) & (self.relations or frozenset()) for one in document.unseen):
            return Role.RELATIONS_SEEN
        is_known = self.is_whole and not (document.unseen and self.relations is None)
        return Role.NOT_SEEN if is_known else Role.UNKNOWN


def _contents(documents: Iterable[Document], stated: set[str]) -> tuple[frozenset[bytes], frozenset[int]]:
    """Hashes and pieces of documents, and of those shown with them; the relations of their labels go to ``stated``."""
    hashes, pieces = set(), set[int]()
    for document in documents:
        for one in (document, *(document.episode.support if document.episode else ())):
            hashes.add(content_hash(one))
            pieces |= content_pieces(one)
            stated.update(label.triplet.relation for label in one.labels)
    return frozenset(hashes), frozenset(pieces)


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
        line, _, content = path.read_bytes().partition(b"\n")
        header = json.loads(line)
        version = (_FIRST, _EARLIER, FORMAT).index(header["format"])
        lists = _LISTS if version else _LISTS[:2]
        sizes = [int(header[name]) * width for name, width in lists]
        relations = frozenset(map(str, header["relations"])) if version == 2 else None
        is_sound = header["sha256"] == _checksum(content, relations)
        if not is_sound or min(sizes) < 0 or len(content) != sum(sizes):
            raise ValueError("its numbers or checksum do not fit its lists")
        is_whole, belongs_to = bool(header["is_whole"]), header["question"]
    except FileNotFoundError:
        return Seen(is_whole=False)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); fetch or train it again") from error
    if question is None and belongs_to is not None:
        return Seen(is_whole=False)
    if question != belongs_to:
        raise InputError(f"{path}: belongs to another training than its {folder.name}; fetch or train it again")
    values = [frozenset(one) for one in _split(content, zip(sizes, (width for _, width in lists), strict=True))]
    pieces = [frozenset(map(int.from_bytes, one)) for one in values[2:]] or [frozenset(), frozenset()]
    return Seen(values[0], values[1], is_whole, pieces[0], pieces[1], relations)


def _split(content: bytes, lists: Iterable[tuple[int, int]]) -> Iterator[list[bytes]]:
    """The lists that follow one another, each given by its bytes and the bytes of a value."""
    place = 0
    for size, width in lists:
        yield [content[start : start + width] for start in range(place, place + size, width)]
        place += size


def write_seen(folder: Path, seen: Seen, question: Mapping[str, Any] | None) -> None:
    """Write what the encoder in ``folder`` saw; ``question`` is that of its ``training.json``, None without one."""
    pieces = [[one.to_bytes(PIECE_BYTES) for one in some] for some in (seen.trained_pieces, seen.chosen_pieces)]
    lists: list[Iterable[bytes]] = [seen.trained_on, seen.chosen_by, *pieces]
    content = b"".join(one for some in lists for one in sorted(some))
    header = {
        "format": FORMAT,
        "trained_on": len(seen.trained_on),
        "chosen_by": len(seen.chosen_by),
        "trained_pieces": len(seen.trained_pieces),
        "chosen_pieces": len(seen.chosen_pieces),
        "relations": sorted(seen.relations or ()),
        "is_whole": seen.is_whole,
        "question": None if question is None else _digest({"question": question}),
        "sha256": _checksum(content, seen.relations),
    }
    if seen.relations is None:
        header |= {"format": _EARLIER}
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{SEEN}.partial"
        partial.write_bytes(json.dumps(header).encode() + b"\n" + content)
        partial.replace(folder / SEEN)


def _checksum(lists: bytes, relations: frozenset[str] | None) -> str:
    return hashlib.sha256(lists + "\n".join(sorted(relations or ())).encode()).hexdigest()


def _digest(record: Mapping[str, Any] | None) -> str | None:
    """The checksum of the question in a training's record; None without a record."""
    if record is None:
        return None
    text = json.dumps(record["question"], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def seen_of(roles: Iterable[Role], who: str = ENCODER) -> dict[str, Any]:
    """For the manifest: how many of a run's documents had each role to ``who``, and the same in words (``seen``)."""
    counts = Counter(roles)
    named = {role.name.lower(): counts[role] for role in Role if role != Role.NOT_SEEN}
    numbers = {"documents": counts.total(), **named}
    return {"seen": told(numbers, who), "seen_documents": numbers}


def told(numbers: Mapping[str, int], who: str = ENCODER) -> str:
    """The numbers of ``seen_of`` in words; "" where no document was seen."""
    of_all = f"of the {numbers['documents']:,} documents"
    parts = [
        *([f"it was trained on {numbers['trained_on']:,} {of_all}"] if numbers["trained_on"] else []),
        *([f"its epoch or threshold was chosen by {numbers['chosen_by']:,} {of_all}"] if numbers["chosen_by"] else []),
    ]
    tested = numbers.get("relations_seen") or 0
    about = f"the {who} was trained on relations that {tested:,} {of_all} test as unseen"
    if parts:
        saw = f"the {who} saw the documents: {', '.join(parts)}"
        return f"{saw}; {about}" if tested else saw
    if tested:
        return about
    return f"what the {who} saw in training is unknown" if numbers["unknown"] else ""
