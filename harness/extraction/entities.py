"""Who finds the entities: a trained finder, GLiNER, a spaCy pipeline, or a file of given mentions."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harness.datasets.plain import PlainDocument
from harness.encoders.entities import FINDER
from harness.encoders.entities.finder import entity_finder
from harness.encoders.entities.text import Span, entities_of
from harness.errors import InputError, ModelUnavailable
from harness.extraction.results import token_offsets
from harness.types import Document, Entity

GLINER, SPACY = "gliner", "spacy"
GLINER_MODEL = "urchade/gliner_medium-v2.1"
TYPES = {
    "person": "PER", "organization": "ORG", "location": "LOC", "date": "TIME", "number": "NUM",
    "work of art": "MISC", "event": "MISC", "product": "MISC",
}  # fmt: skip
"""The labels that GLiNER is asked for, and the types of DocRED that they become."""
_SOURCES = "or gliner, spacy/PIPELINE, a language model, or a .jsonl file of mentions"
SPACY_TYPES = {
    "PERSON": "PER", "ORG": "ORG", "GPE": "LOC", "LOC": "LOC", "FAC": "LOC", "DATE": "TIME", "TIME": "TIME",
    "CARDINAL": "NUM", "QUANTITY": "NUM", "MONEY": "NUM", "PERCENT": "NUM", "NORP": "LOC", "PER": "PER", "MISC": "MISC",
}  # fmt: skip


class EntitySource(Protocol):
    """What finds the entities of documents; whatever entities these have is not looked at."""

    def find(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Each document in turn with its entities; few are held at a time."""
        ...


@runtime_checkable
class KnownEntities(Protocol):
    """Entities of whole texts, which are known already."""

    def entities(self, document: Document) -> Document:
        """The document, whole, with its entities."""
        ...


@dataclass(frozen=True)
class EntitiesByTitle:
    """Entities that were found before, by the titles of their documents; the others have none."""

    found: Mapping[str, tuple[Entity, ...]]

    def entities(self, document: Document) -> Document:
        return replace(document, entities=self.found.get(document.title, ()), labels=(), unrelated=())


def is_finder(name: str) -> bool:
    """Whether a name of ``--entities`` is told by its form: no name of a language model."""
    return name == FINDER or name.partition("/")[0] in (GLINER, SPACY) or name.endswith((".json", ".jsonl"))


def entity_source(
    name: str, options: Mapping[str, str] | None = None, labels: Sequence[str] = ()
) -> EntitySource | KnownEntities:
    """The finder of that name: a trained one, ``gliner`` or ``gliner/ID``, ``spacy/PIPELINE``, or a file of mentions.

    A trained one is packaged or a folder. ``labels`` are the types that GLiNER looks for. Raises InputError for
    anything else, ModelUnavailable for a missing package.
    """
    kind, _, model = name.partition("/")
    if kind == GLINER:
        return GlinerEntities(model or GLINER_MODEL, {label: label for label in labels} or TYPES)
    if labels:
        raise InputError(f"--entity-type {labels[0]}: only GLiNER looks for types by name; --entities {name} does not")
    if kind == SPACY:
        return SpacyEntities(model)
    if name.endswith((".json", ".jsonl")):
        return GivenEntities(Path(name))
    try:
        return entity_finder(name, options)
    except InputError as error:
        raise InputError(f"--entities {error}; {_SOURCES}") from None


def by_name(document: Document, spans: Iterable[Span]) -> Document:
    """The document with these mentions; those of the same name and type are of one entity."""
    spans = sorted(set(spans))
    members: dict[tuple[str, str], list[int]] = {}
    for number, one in enumerate(spans):
        words = " ".join(document.sentences[one.sent_id][one.start : one.end]).casefold().removeprefix("the ")
        members.setdefault((words, one.type), []).append(number)
    return replace(document, entities=entities_of(document, spans, members.values()), labels=(), unrelated=())


@dataclass(frozen=True)
class SpacyEntities:
    """The entities of a spaCy pipeline, which is given our tokens; OntoNotes' types become DocRED's."""

    pipeline: str

    def find(self, documents: Iterable[Document]) -> Iterator[Document]:
        for document in documents:
            yield by_name(document, self._spans(document))

    def _spans(self, document: Document) -> Iterator[Span]:
        from spacy.tokens import Doc

        for sent_id, sentence in enumerate(document.sentences):
            for one in self._nlp(Doc(self._nlp.vocab, words=list(sentence))).ents:
                yield Span(sent_id, one.start, one.end, SPACY_TYPES.get(one.label_, one.label_))

    @cached_property
    def _nlp(self) -> Any:
        try:
            import spacy
        except ImportError:
            raise ModelUnavailable("--entities spacy needs spaCy: pip install 'docre-harness[spacy]'") from None
        try:
            return spacy.load(self.pipeline)
        except OSError as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"--entities spacy/{self.pipeline}: {reason} (python -m spacy download NAME)") from None


@dataclass(frozen=True)
class GlinerEntities:
    """The entities that GLiNER finds for any set of labels; ``types`` says what type each label becomes."""

    model: str
    types: Mapping[str, str]

    def find(self, documents: Iterable[Document]) -> Iterator[Document]:
        for document in documents:
            yield by_name(document, self._spans(document))

    def _spans(self, document: Document) -> Iterator[Span]:
        for sent_id, sentence in enumerate(document.sentences):
            text = " ".join(sentence)
            offsets = token_offsets(text, [sentence])[0]
            for one in self._model.predict_entities(text, list(self.types)):
                inside = [
                    token
                    for token, (start, end) in enumerate(offsets)
                    if start < int(one["end"]) and end > int(one["start"])
                ]
                if inside:
                    yield Span(sent_id, inside[0], inside[-1] + 1, self.types[one["label"]])

    @cached_property
    def _model(self) -> Any:
        try:
            from gliner import GLiNER
        except ImportError:
            raise ModelUnavailable("--entities gliner needs GLiNER: pip install 'docre-harness[gliner]'") from None
        try:
            return GLiNER.from_pretrained(self.model)
        except Exception as error:  # the hub's client and the model's reader may raise anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"--entities gliner/{self.model}: cannot be loaded: {reason}") from None


class GivenEntities:
    """Entities by the character offsets of a file, as this command writes it: JSON lines with title and entities."""

    def __init__(self, path: Path) -> None:
        """Raises InputError, with the line, for a file of another form."""
        self._path = path
        self._entities: dict[str, list[Any]] = {}
        try:
            with path.open(encoding="utf-8-sig") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        self._read(line, f"--entities {path}, line {number}")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--entities {path}: cannot be read ({error})") from None

    def _read(self, line: str, where: str) -> None:
        try:
            content = json.loads(line)
            self._entities[content["title"]] = [
                (str(entity["type"]), [(int(one["start"]), int(one["end"])) for one in entity["mentions"]])
                for entity in content["entities"]
            ]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            form = '{"title": ..., "entities": [{"type": ..., "mentions": [{"start": 0, "end": 5}]}]}'
            raise InputError(f"{where}: write {form} ({type(error).__name__}: {error})") from None

    def entities(self, document: Document) -> Document:
        """The document, whole, with its entities; InputError for offsets outside the text."""
        if not isinstance(document, PlainDocument):
            raise InputError(f"--entities {self._path}: offsets are of plain texts; {document.title!r} is tokenised")
        offsets = token_offsets(document.text, document.sentences)
        places = [(s, t) for s, line in enumerate(offsets) for t in range(len(line))]
        starts, ends = ([offsets[s][t][side] for s, t in places] for side in (0, 1))
        spans: list[Span] = []
        members: list[list[int]] = []
        for kind, mentions in self._entities.get(document.title, ()):
            cluster = []
            for begin, stop in mentions:
                inside = places[bisect_right(ends, begin) : bisect_left(starts, stop)]
                if not inside or inside[0][0] != inside[-1][0]:
                    raise InputError(
                        f"--entities {self._path}: {document.title!r} has no words at {begin} to {stop} of one sentence"
                    )
                cluster.append(len(spans))
                spans.append(Span(inside[0][0], inside[0][1], inside[-1][1] + 1, kind))
            if cluster:
                members.append(cluster)
        return replace(document, entities=entities_of(document, spans, members))
