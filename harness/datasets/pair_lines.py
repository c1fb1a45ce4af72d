"""Documents as lines of candidate pairs: the ``.data`` files of CDR and GDA.

The form of Christopoulou et al. (2019), "Connecting the Dots: Document-level Neural Relation Extraction with
Edge-oriented Graphs", EMNLP, which later work reads as it is (ATLOP, Zhou et al., AAAI 2021). A line is a document, of
columns apart by tabs: its id, its sentences apart by ``|`` with tokens apart by spaces, then 17 columns a pair. These
are ``1:CID:2`` (from the first argument to the second), ``1:NR:2`` or ``not_include``; direction; CROSS or NON-CROSS;
two token ranges; and of each argument its id, names (``|``), type, first tokens, tokens after the last, and sentences
(``:``). Tokens are counted over the document.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from harness.datasets.fields import Fault, refusal
from harness.datasets.relation_table import NONE, relation_id
from harness.errors import InputError
from harness.json_files import shown
from harness.label_source import HUMAN, LabelSource
from harness.opening import open_text
from harness.types import Document, Entity, Label, Mention, RelationSchema, Triplet

COLUMNS = 17
"""Of one pair."""
_FIRST, _SECOND = 5, 11
"""Where the six columns of the arguments begin."""
NOT_INCLUDED = "not_include"
"""The relation of a pair that the hypernym filter took out: no candidate, and its entities stay."""

_REVERSED = re.compile("2:[^:]*:1")
_NUMBERS = re.compile("-?[0-9]{1,9}(?::-?[0-9]{1,9})*")

Sentences = tuple[tuple[str, ...], ...]


def read_pair_lines(
    path: Path, schema: RelationSchema | None = None, labelled_by: LabelSource = HUMAN
) -> Iterator[Document]:
    """Yield the documents one by one; entities in the order of the pairs, each known by its id.

    A line that is there twice is read once, and tabs at its end are left out. Raises InputError with file, document
    and column at the first fault.
    """
    seen: dict[str, str] = {}
    with open_text(path) as lines:
        try:
            for number, line in enumerate(lines, 1):
                text = line.rstrip("\r\n\t")
                title = text.partition("\t")[0]
                if not text.strip() or seen.get(title) == text:
                    continue
                try:
                    if not title:
                        raise Fault("is empty; begin the line with the document's id", "id")
                    if title in seen:
                        raise Fault("is already that of another line; ids must be unique", "id")
                    seen[title] = text
                    yield _document(text.split("\t"), schema, labelled_by)
                except Fault as fault:
                    raise refusal(path, f"line {number}", {"title": title}, fault) from None
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: is not UTF-8 text ({error.reason}); save it as UTF-8") from None
    if not seen:
        raise InputError(f"{path}: is empty; give a file with a document a line")


def _document(columns: list[str], schema: RelationSchema | None, labelled_by: LabelSource) -> Document:
    if len(columns) < 2 or (len(columns) - 2) % COLUMNS:
        raise Fault(f"has {len(columns)} columns; write the id, the text, and {COLUMNS} columns for each pair")
    sentences = tuple(tuple(sentence.split(" ")) for sentence in columns[1].split("|"))
    pairs = [columns[start : start + COLUMNS] for start in range(2, len(columns), COLUMNS)]
    index: dict[str, int] = {}
    entities: list[Entity] = []
    labels: list[Label] = []
    unrelated: dict[tuple[int, int], None] = {}
    for place, pair in enumerate(pairs):
        arguments = []
        for first in (_FIRST, _SECOND):
            identifier = pair[first]
            if not identifier:
                raise Fault("is empty; give each argument the id of its entity", "pair", place, "id")
            if identifier not in index:
                index[identifier] = len(entities)
                entities.append(_entity(pair, first, sentences, ("pair", place)))
            arguments.append(index[identifier])
        head, tail = arguments[::-1] if _REVERSED.fullmatch(pair[0]) else arguments
        relation = _relation(pair[0], schema, place)
        if relation == NONE:
            unrelated[head, tail] = None
        elif relation is not None:
            labels.append(Label(Triplet(head, relation, tail)))
    related = {(label.triplet.head, label.triplet.tail) for label in labels}
    none = tuple(pair for pair in unrelated if pair not in related)
    return Document(columns[0], sentences, tuple(entities), tuple(labels), labelled_by, none)


def _relation(written: str, schema: RelationSchema | None, place: int) -> str | None:
    """The relation's id, NONE for a pair without one, None for a pair that is no candidate."""
    if written == NOT_INCLUDED:
        return None
    # "1:CID:2" is a relation from the first argument to the second.
    parts = written.split(":")
    name = parts[1] if len(parts) == 3 else written
    relation = relation_id(name, schema)
    if relation is None:
        raise Fault(f"{shown(name)} is no relation of the schema", "pair", place, "relation")
    return relation


def _entity(pair: list[str], first: int, sentences: Sentences, where: tuple[str, int]) -> Entity:
    identifier, names, kind, starts, ends, _ = pair[first : first + 6]
    begins, stops = _numbers(starts, *where, identifier), _numbers(ends, *where, identifier)
    if len(begins) != len(stops) or not kind:
        raise Fault("needs a type, and as many first tokens as ends", *where, identifier)
    written = names.split("|")
    first_tokens = [0, *accumulate(len(sentence) for sentence in sentences)]
    mentions = []
    for place, (begin, stop) in enumerate(zip(begins, stops, strict=True)):
        sent_id = bisect_right(first_tokens, begin) - 1
        if not 0 <= begin < stop or sent_id >= len(sentences) or stop > first_tokens[sent_id + 1]:
            raise Fault(f"tokens {begin} to {stop} are no part of one sentence", *where, identifier)
        start, end = begin - first_tokens[sent_id], stop - first_tokens[sent_id]
        # A name may itself hold the mark that separates names.
        name = written[place] if len(written) == len(begins) else ""
        mentions.append(Mention(name or " ".join(sentences[sent_id][start:end]), sent_id, start, end, kind))
    return Entity(tuple(mentions))


def _numbers(text: str, *where: str | int) -> list[int]:
    if not _NUMBERS.fullmatch(text):
        raise Fault(f"{shown(text)} is no list of numbers apart by colons", *where)
    return [int(part) for part in text.split(":")]
