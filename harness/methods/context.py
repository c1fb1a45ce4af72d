"""What every prompt of a document is made from: references, tagged text, entities, the schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from harness.alignment.entities import EntityMapper
from harness.alignment.relations import RelationAlignment, RelationMapper
from harness.answers.typed import Fitting
from harness.escaping import escape, format_triplet
from harness.methods.settings import MethodSettings
from harness.prompting import tagging
from harness.prompting.relations import RelationText
from harness.prompting.template import render
from harness.types import Constraint, Document, Label, Message, RawTriplet, RelationSchema, Request, SupportedTriplet


@dataclass(frozen=True)
class SchemaContext:
    """The schema as prompts, grammars and alignment need it; made once for a run."""

    schema: RelationSchema
    alignment: RelationAlignment | None

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(relation.name for relation in self.schema.relations)

    @cached_property
    def escaped_names(self) -> tuple[str, ...]:
        return tuple(map(escape, self.names))

    def descriptions(self, settings: MethodSettings) -> Mapping[str, str]:
        """Escaped name -> what the prompt says about the relation; empty texts where it says nothing."""
        if settings.descriptions == "none":
            return dict.fromkeys(self.escaped_names, "")
        texts = [settings.relation_texts[relation.id] for relation in self.schema.relations]
        described = [
            f"{text.description}{settings.words.example}{format_triplet(*text.example)}"
            if settings.descriptions == "full"
            else text.description
            for text in texts
        ]
        return dict(zip(self.escaped_names, described, strict=True))

    def fitting(self, texts: Mapping[str, RelationText], head: str, tail: str) -> tuple[str, ...]:
        """The names of the relations whose argument types, by these texts, the types of head and tail are."""
        relations = self.schema.relations
        return tuple(one.name for one in relations if texts[one.id].type_rank(head, tail) is not None)

    @cached_property
    def mapper(self) -> RelationMapper:
        return RelationMapper(self.schema, self.alignment)


@dataclass(frozen=True)
class DocumentContext:
    """One document under a variant's options ``refs`` (id or name) and the shared context of templates."""

    document: Document
    settings: MethodSettings
    schema: SchemaContext

    @cached_property
    def by_id(self) -> bool:
        return self.settings.options.get("refs", "id") == "id"

    @cached_property
    def references(self) -> tuple[str, ...]:
        """How prompt, grammar and answer refer to each entity, unescaped."""
        return tagging.entity_ids(self.document) if self.by_id else tagging.entity_names(self.document)

    @cached_property
    def entities(self) -> Sequence[Mapping[str, str]]:
        """The entities as templates show them: reference, name and type, escaped."""
        return [
            {"reference": escape(reference), "name": escape(entity.name), "type": escape(entity.type)}
            for reference, entity in zip(self.references, self.document.entities, strict=True)
        ]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The first name of every entity, escaped; of those that share one, the second ends in (2), and so on.

        A number that would make it the name of another entity is passed over.
        """
        own = [entity.name for entity in self.document.entities]
        taken, numbers = set(own), Counter[str]()
        names = []
        for name in own:
            numbers[name] += 1
            shown = name
            while numbers[name] > 1 and (shown := f"{name} ({numbers[name]})") in taken:
                numbers[name] += 1
            taken.add(shown)
            names.append(escape(shown))
        return tuple(names)

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The type of each entity."""
        return tuple(entity.type for entity in self.document.entities)

    def fitting(self, relations: Sequence[str]) -> Fitting:
        """Those of ``relations``, by name, that each type of a head and type of a tail in the document allow."""
        among = frozenset(relations)
        return {types: tuple(one for one in fitting if one in among) for types, fitting in self._fitting.items()}

    @cached_property
    def _fitting(self) -> Fitting:
        types = dict.fromkeys(self.types)
        return {pair: self.schema.fitting(self.settings.relation_texts, *pair) for pair in product(types, types)}

    @cached_property
    def mapper(self) -> EntityMapper:
        return EntityMapper(self.document, self.by_id)

    def write(self, label: Label) -> SupportedTriplet:
        """A label as an answer states it, unescaped."""
        head, relation, tail = label.triplet
        name = self.schema.schema.by_id[relation].name
        return SupportedTriplet(RawTriplet(self.references[head], name, self.references[tail]), label.evidence)

    def request(self, step: str, constraint: Constraint | None, endings: Sequence[str] = (), **more: object) -> Request:
        """The request of a step: its template over the shared context and ``more``, the question with ``endings``.

        These are the names of the templates of general options.
        """
        settings = self.settings
        return Request(
            messages=self._messages(step, endings, more),
            sampling=settings.sampling,
            constraint=constraint,
            repeat=settings.repeat,
            adapter=settings.adapter_of(step),
            more=settings.more,
        )

    def _messages(self, step: str, endings: Sequence[str], more: Mapping[str, object]) -> tuple[Message, ...]:
        # A question that replaces what is shared is rendered as a whole.
        beginnings = None if more.keys() & self._shared.keys() else self._beginnings
        messages = render(self.settings.variant, step, {**self._shared, **more}, beginnings)
        question = next(place for place, message in enumerate(messages) if message.role == "user")
        if endings:
            asked = Message("user", "\n\n".join([messages[question].content, *map(self._ending, endings)]))
            messages = (*messages[:question], asked, *messages[question + 1 :])
        return (*messages[:question], *self.settings.exchanges.get(step, ()), *messages[question:])

    @property
    def _marks(self) -> list[tuple[str, str]]:
        types = self.types if self.settings.options.get("types") == "shown" else None
        return tagging.id_marks(tagging.entity_ids(self.document), types)

    def _ending(self, name: str) -> str:
        """What a general option asks for at the end of questions."""
        if name not in self._endings:
            self._endings[name] = render(self.settings.variant, name, self._shared)[-1].content
        return self._endings[name]

    @cached_property
    def _endings(self) -> dict[str, str]:
        return {}

    @cached_property
    def _beginnings(self) -> dict[str, str]:
        return {}

    @cached_property
    def _shared(self) -> Mapping[str, object]:
        """What templates may use: options, relations, entities, text and more (see docs/prompts.md)."""
        tags = tagging.id_tags(self.references) if self.by_id else tagging.name_tags(self.references)
        return {
            "options": self.settings.options,
            "output": self.settings.output,
            "max_triplets": self.settings.max_triplets,
            "opening": self.settings.opening,
            "relations": self.schema.escaped_names,
            "descriptions": self.schema.descriptions(self.settings),
            "entities": self.entities,
            "text": self._text(tags),
            "marked_text": self._text(self._marks),
            "plain_text": self._text([("", "")] * len(tags)),
        }

    def _text(self, tags: Sequence[tuple[str, str]]) -> str:
        return tagging.tagged_text(self.document, tags, numbered=self.settings.names_evidence)
