"""brat's stand-off annotations: a folder with a ``.txt`` and an ``.ann`` file for each document.

Stenetorp et al. (2012), "brat: a Web-based Tool for NLP-Assisted Text Annotation", EACL. Of an ``.ann`` file are read
text-bound annotations (``T1  Type start end  text``), relations (``R1  Type Arg1:T1 Arg2:T2``) and equivalences
(``*  Equiv T1 T2``), which make mentions those of one entity. Other lines, as of events, attributes and notes, are not.
A mention of several pieces is read from its first character to its last; its text is that of the pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.datasets.fields import Fault, refusal
from harness.datasets.offsets import SameEntity, TextMention, entities_in
from harness.datasets.relation_table import NONE, relation_id
from harness.errors import InputError
from harness.json_files import shown
from harness.label_source import HUMAN, LabelSource
from harness.opening import opened
from harness.types import Document, Label, RelationSchema, Triplet

_NUMBER = re.compile("[0-9]{1,9}")


def is_brat(folder: Path) -> bool:
    """Whether a folder holds brat's annotations."""
    return any(folder.glob("*.ann"))


def read_brat(
    folder: Path, schema: RelationSchema | None = None, labelled_by: LabelSource = HUMAN
) -> Iterator[Document]:
    """Yield the documents in the order of their files' names, which are their titles.

    Raises InputError with file, line and problem at the first fault.
    """
    for file in sorted(folder.glob("*.ann")):
        text = _text(file.with_suffix(".txt"))
        try:
            yield _document(file, text, schema, labelled_by)
        except Fault as fault:
            raise refusal(file, "the annotation", None, fault) from None


def _document(file: Path, text: str, schema: RelationSchema | None, labelled_by: LabelSource) -> Document:
    mentions: dict[str, TextMention] = {}
    relations: list[tuple[str, str, str, str]] = []
    same = SameEntity()
    equivalent: dict[str, None] = {}
    for number, line in enumerate(_text(file).split("\n"), 1):
        where = f"line {number}"
        columns = line.rstrip("\r").split("\t")
        if columns[0].startswith("T"):
            if columns[0] in mentions:
                raise Fault(f"has the id {shown(columns[0])} of an annotation before it; ids must be unique", where)
            mentions[columns[0]] = _mention(columns, text, where)
        elif columns[0].startswith("R"):
            relations.append((where, *_relation(columns, where)))
        elif columns[0] == "*" and len(columns) > 1 and columns[1].startswith("Equiv "):
            listed = columns[1].split()[1:]
            for other in listed[1:]:
                same.join(listed[0], other)
            equivalent |= dict.fromkeys(listed)
    for one in equivalent.keys() - mentions.keys():
        raise Fault(f"no text-bound annotation has the id {shown(one)}", "Equiv")
    joined = [one._replace(entity=same.of(id)) for id, one in mentions.items()]
    sentences, entities = entities_in(text, joined)
    places = {key: place for place, key in enumerate(entities)}
    labels = []
    for where, written, head, tail in relations:
        relation = relation_id(written, schema)
        if relation is None:
            raise Fault(f"{shown(written)} is no relation of the schema", where)
        if unknown := [one for one in (head, tail) if one not in mentions]:
            if unknown[0].startswith("E"):
                raise Fault(f"joins the event {shown(unknown[0])}, and events are not read; take it out", where)
            raise Fault(f"no text-bound annotation has the id {shown(unknown[0])}", where)
        if relation != NONE:
            labels.append(Label(Triplet(places[same.of(head)], relation, places[same.of(tail)])))
    return Document(file.stem, sentences, tuple(entities.values()), tuple(labels), labelled_by)


def _mention(columns: list[str], text: str, where: str) -> TextMention:
    kind, _, offsets = columns[1].partition(" ") if len(columns) == 3 else ("", "", "")
    numbers = offsets.replace(";", " ").split()
    if not kind or len(numbers) < 2 or not all(map(_NUMBER.fullmatch, numbers)):
        raise Fault("write id, tab, type with start and end, tab, text", where)
    bounds = list(map(int, numbers))
    start, end = min(bounds), max(bounds)
    if len(bounds) % 2 or not 0 <= start < end <= len(text):
        raise Fault(f"{start} to {end} are no part of the text, of {len(text)} characters", where)
    pieces = sorted(zip(bounds[::2], bounds[1::2], strict=True))
    held = " ".join(text[first:last] for first, last in pieces)
    if not all(first < last for first, last in pieces) or "".join(held.split()) != "".join(columns[2].split()):
        at = " and ".join(f"{first} to {last}" for first, last in pieces)
        raise Fault(f"{shown(columns[2])} is not at {at}; {shown(held)} is", where)
    return TextMention(start, end, columns[0], kind, (where,))


def _relation(columns: list[str], where: str) -> tuple[str, str, str]:
    match columns[1].split() if len(columns) > 1 else ():
        case [relation, *arguments] if len(arguments) == 2 and all(":" in one for one in arguments):
            (first, head), (second, tail) = (one.split(":", 1) for one in arguments)
            # The names tell the order; those that are not numbered are taken as they stand.
            return (relation, tail, head) if (first, second) == ("Arg2", "Arg1") else (relation, head, tail)
    raise Fault("write id, tab, type with Arg1:T1 and Arg2:T2", where)


def _text(file: Path) -> str:
    """A text of any beginning: one that begins as a web page does is a text, too."""
    try:
        with opened(file) as content:
            return content.read().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8 text ({error.reason}); save it as UTF-8") from None
