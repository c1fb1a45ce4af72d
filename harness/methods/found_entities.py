"""A method over entities that a document does not bring: they are found first, then it asks about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Protocol

from harness.alignment.grounding import kind_of
from harness.answers.status import worst_status
from harness.methods.annotate import Annotate
from harness.methods.asking import aside
from harness.methods.base import Demonstration, PromptMethod
from harness.scoring.entities import NumberedEntities
from harness.types import Ask, Document, Entity, Extraction, Mention

_WITHOUT_NAMES = ("TIME", "NUM")
"""Types whose mentions are no names: ``the 1990s`` is one."""


class EntityFinding(Protocol):
    """How the entities of a document are found."""

    async def find(self, document: Document, ask: Ask) -> Extraction:
        """An extraction without predictions, whose ``entities`` are those found; labels are not looked at."""
        ...

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """The questions that it asks a language model about ``document``."""
        ...


@dataclass(frozen=True)
class FoundByEncoder:
    """The ``entities`` of a document by a trained finder, which needs no language model."""

    entities: FindEntities
    _lock: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    async def find(self, document: Document, ask: Ask) -> Extraction:
        return Extraction((), entities=await aside(ask, lambda: self.found(document).entities))

    def demonstrate(self, document: Document) -> list[Demonstration]:  # noqa: ARG002 - nothing is asked
        return []

    def found(self, document: Document) -> Document:
        """The document with the entities that are found in it, and without labels, which are about others."""
        # Threads share the model, which the first of them loads.
        with self._lock:
            (found,) = self.entities([document])
        return found


class FindEntities(Protocol):
    """``EntityFinder.find`` or ``EntityFinder.join``."""

    def __call__(self, documents: Sequence[Document], /) -> Iterator[Document]: ...


@dataclass(frozen=True)
class Stored:
    """The entities that the record of a run has, whose mentions get their names from the document."""

    entities: NumberedEntities

    async def find(self, document: Document, ask: Ask) -> Extraction:  # noqa: ARG002 - nothing is asked
        return Extraction((), entities=self.entities.named(document))

    def demonstrate(self, document: Document) -> list[Demonstration]:  # noqa: ARG002 - nothing is asked
        return []


@dataclass(frozen=True)
class FoundByModel:
    """The entities that the language model lists; only names are kept, as corpora mark no pronouns."""

    asked: Annotate

    async def find(self, document: Document, ask: Ask) -> Extraction:
        found = await self.asked.extract(_without_entities(document), ask)
        return replace(found, entities=tuple(_named(found.entities)))

    def demonstrate(self, document: Document) -> list[Demonstration]:
        return [self.asked.demonstrate_entities(_without_entities(document), document.entities)]


@dataclass(frozen=True)
class OverFoundEntities:
    """The method ``related``, asked about the entities that ``finding`` finds.

    Predictions and details have the numbers of ``NumberedEntities``. What a list of entities that broke off holds is
    asked about all the same; the document has the worse status of both. With less than two entities nothing is asked.
    """

    related: PromptMethod
    finding: EntityFinding

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        found = await self.finding.find(document, ask)
        entities = found.entities
        related = Extraction(())
        if len(entities) > 1:
            related = await self.related.extract(replace(document, entities=entities, labels=(), unrelated=()), ask)
        numbered = NumberedEntities.against(document, entities)
        outcomes = [(one.status, one.error) for one in (found, related) if one.steps]
        status, error = (found.status, found.error) if found.status == "context_overflow" else worst_status(outcomes)
        return Extraction(
            predictions=numbered.numbered(related.predictions),
            status=status,
            error=error,
            rejects=(*found.rejects, *related.rejects),
            steps=(*found.steps, *related.steps),
            details={
                **_together(found.details, renumbered(related.details, list(numbered.by_number))),
                **numbered.as_details(),
            },
        )

    def with_stored(self, entities: NumberedEntities) -> OverFoundEntities:
        """The same over what a trained finder found in an earlier run; a language model's answers are read again."""
        return replace(self, finding=Stored(entities)) if isinstance(self.finding, FoundByEncoder) else self

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """The questions that the labels lead to: about the entities, then about their relations."""
        return [*self.finding.demonstrate(document), *self.related.demonstrate(document)]


def _without_entities(document: Document) -> Document:
    return replace(document, entities=(), labels=(), unrelated=())


def _named(entities: Sequence[Entity]) -> Iterator[Entity]:
    """The entities that have a name, without the pronouns and descriptions among their mentions."""
    for entity in entities:
        if mentions := tuple(filter(_is_name, entity.mentions)):
            yield Entity(mentions)


def _is_name(mention: Mention) -> bool:
    kind = kind_of(mention.name)
    return kind == "name" or (kind == "description" and mention.type in _WITHOUT_NAMES)


def _together(one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    """The details of both; what both counted is added up."""
    both = {**one, **other}
    for name in one.keys() & other.keys():
        first, second = one[name], other[name]
        if isinstance(first, int) and isinstance(second, int) and not isinstance(first, bool):
            both[name] = first + second
    return both


def renumbered(details: Mapping[str, Any], numbers: Sequence[int]) -> dict[str, object]:
    """The details of a method with other ``numbers`` for the entities that they tell of."""
    changed = dict(details)
    if found := details.get("found"):
        heads = [[relation, numbers[head]] for relation, head in found.get("heads", ())]
        changed["found"] = {**found, **({"heads": heads} if "heads" in found else {})}
    if candidates := details.get("candidates"):
        changed["candidates"] = [[numbers[head], one, numbers[tail], score] for head, one, tail, score in candidates]
    if answers := details.get("answers"):
        changed["answers"] = [{**one, "pair": [numbers[place] for place in one["pair"]]} for one in answers]
    if decisions := details.get("alignments"):
        ends = ("head", "tail")
        changed["alignments"] = [
            {**one, **{end: numbers[one[end]] for end in ends if one[end] is not None}} for one in decisions
        ]
    return changed
