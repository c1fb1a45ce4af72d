"""The PubTator format of CDR and BioRED: abstracts with entities by character offsets and relations between ids.

Li et al. (2016), "BioCreative V CDR task corpus", Database; Luo et al. (2022), "BioRED", Briefings in Bioinformatics. A
document is ``ID|t|title``, ``ID|a|abstract``, a line ``ID, start, end, name, type, identifiers`` for each mention, and
a line ``ID, relation, identifier, identifier`` for each relation (BioRED adds a column), apart by tabs. A line
of another document ends one, and so does a title after a blank line. Offsets count characters of the title, one space,
the abstract. An entity is all mentions of one identifier; mentions without one (``-1``) are left out, and a mention of
several is one of each, as in Christopoulou et al. (2019).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from harness.datasets.fields import Fault, refusal
from harness.datasets.offsets import TextMention, check_text, entities_in
from harness.datasets.relation_table import NONE, relation_id
from harness.errors import InputError
from harness.json_files import shown
from harness.label_source import HUMAN, LabelSource
from harness.opening import open_text
from harness.types import Document, Label, RelationSchema, Triplet

NOT_LINKED = frozenset({"", "-", "-1"})
_TEXT = re.compile(r"([^|\t]+)\|([ta])\|(.*)")
_NUMBER = re.compile("[0-9]{1,9}")
_IDENTIFIER = re.compile(r"-1|(?:[A-Za-z_]+:?)?\d+")
"""What may stand between bars. Identifiers of variants hold bars of their own: ``c|SUB|G|1934|A``."""


@dataclass(frozen=True, slots=True)
class IdentifiedDocument(Document):
    """A document whose entities are known by ``identifiers``, such as those of MeSH; one for each entity."""

    identifiers: tuple[str, ...] = ()


class _MentionLine(NamedTuple):
    line: int
    start: int
    end: int
    name: str
    type: str
    identifiers: tuple[str, ...]


class _RelationLine(NamedTuple):
    line: int
    relation: str
    first: tuple[str, ...]
    second: tuple[str, ...]


@dataclass
class _Record:
    """The lines of one document."""

    title: str
    texts: dict[str, str] = field(default_factory=dict)
    mentions: list[_MentionLine] = field(default_factory=list)
    relations: list[_RelationLine] = field(default_factory=list)


def read_pubtator(
    path: Path, schema: RelationSchema | None = None, labelled_by: LabelSource = HUMAN
) -> Iterator[IdentifiedDocument]:
    """Yield the documents one by one, tokenised so that every mention begins and ends with a token.

    Raises InputError with file, document and line at the first fault.
    """
    titles: set[str] = set()
    for index, (record, fault) in enumerate(_records(path)):
        try:
            if fault:
                raise fault
            if record.title in titles:
                raise Fault("is already that of another document; ids must be unique", "id")
            titles.add(record.title)
            yield _document(record, schema, labelled_by)
        except Fault as found:
            raise refusal(path, f"document {index}", {"title": record.title}, found) from None
    if not titles:
        raise InputError(f"{path}: is empty; give a file with documents")


def _records(path: Path) -> Iterator[tuple[_Record, Fault | None]]:
    """The documents' lines in turn, with the first fault in them."""
    record: _Record | None = None
    fault: Fault | None = None
    is_ended = False
    with open_text(path) as lines:
        try:
            for number, line in enumerate(lines, 1):
                text = line.rstrip("\r\n")
                if not text.strip():
                    is_ended = True
                    continue
                title = re.split(r"[|\t]", text, maxsplit=1)[0]
                begins = title != (record.title if record else None) or (is_ended and text.startswith(f"{title}|t|"))
                if record and begins:
                    yield record, fault
                    record = fault = None
                is_ended = False
                if fault:
                    continue
                record = record or _Record(title)
                try:
                    _add(record, text, number)
                except Fault as found:
                    fault = found
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: is not UTF-8 text ({error.reason}); save it as UTF-8") from None
    if record:
        yield record, fault


def _add(record: _Record, text: str, line: int) -> None:
    if match := _TEXT.fullmatch(text):
        if match[2] in record.texts:
            raise Fault("is a second title or abstract; end each document with a blank line", f"line {line}")
        record.texts[match[2]] = match[3]
        return
    match text.split("\t"):
        case [_, start, end, name, kind, identifiers, *_] if _are_numbers(start, end) and kind:
            found = tuple(one for one in _identifiers(identifiers) if one not in NOT_LINKED)
            record.mentions.append(_MentionLine(line, int(start), int(end), name, kind, found))
        case [_, start, end, _, _] if _are_numbers(start, end):
            pass  # A mention that is linked to nothing.
        case [_, relation, first, second, *more] if len(more) < 2 and not _are_numbers(relation):
            record.relations.append(_RelationLine(line, relation, _identifiers(first), _identifiers(second)))
        case _:
            raise Fault(f"{shown(text)} is no title, abstract, mention or relation", f"line {line}")


def _are_numbers(*texts: str) -> bool:
    return all(map(_NUMBER.fullmatch, texts))


def _identifiers(text: str) -> tuple[str, ...]:
    parts = text.split("|")
    if not all(map(_IDENTIFIER.fullmatch, parts)):
        parts = re.split(r"[,;]", text)
    return tuple(dict.fromkeys(part.strip() for part in parts))


def _document(record: _Record, schema: RelationSchema | None, labelled_by: LabelSource) -> IdentifiedDocument:
    if "t" not in record.texts:
        raise Fault("has no title line; write ID|t|title", "title")
    title, abstract = record.texts["t"], record.texts.get("a", "")
    text = f"{title} {abstract}"
    mentions = []
    for one in record.mentions:
        where = (f"line {one.line}",)
        check_text(text, one.start, one.end, one.name, *where)
        mentions += [TextMention(one.start, one.end, identifier, one.type, where) for identifier in one.identifiers]
    sentences, entities = entities_in(text, mentions, [(title, 0), (abstract, len(title) + 1)])
    places = {str(identifier): index for index, identifier in enumerate(entities)}
    return IdentifiedDocument(
        title=record.title,
        sentences=sentences,
        entities=tuple(entities.values()),
        labels=tuple(_labels(record, places, schema)),
        label_source=labelled_by,
        identifiers=tuple(places),
    )


def _labels(record: _Record, places: dict[str, int], schema: RelationSchema | None) -> Iterator[Label]:
    for one in record.relations:
        relation = relation_id(one.relation, schema)
        if relation is None:
            raise Fault(f"{shown(one.relation)} is no relation of the schema", f"line {one.line}")
        arguments = []
        for identifiers in (one.first, one.second):
            known = [places[identifier] for identifier in identifiers if identifier in places]
            if not known:
                raise Fault(f"no mention has the identifier {shown('|'.join(identifiers))}", f"line {one.line}")
            arguments.append(known)
        if relation != NONE:
            yield from (Label(Triplet(head, relation, tail)) for head in arguments[0] for tail in arguments[1])
