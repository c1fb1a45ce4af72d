"""All triplets of a document in one answer, mentions tagged in the text (GLiDRE's zero-shot baseline)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.alignment.entities import EntityMapper
from harness.alignment.relations import RelationMapper
from harness.alignment.triplets import align_triplets
from harness.errors import InputError
from harness.escaping import escape
from harness.grammar import TripletGrammar
from harness.methods.outcome import is_mostly_repetition, status_of
from harness.methods.settings import MethodSettings
from harness.parsing import parse_triplets
from harness.prompting import tagging
from harness.prompting.template import render
from harness.types import Ask, Constraint, Document, Extraction, Message, Request, Step

STEP = "extract"


@dataclass(frozen=True)
class Tagged:
    """One request a document; a document with fewer than two entities needs none."""

    settings: MethodSettings

    def __post_init__(self) -> None:
        if self.settings.options["schema"] == "open" and self.settings.level == "closed":
            raise InputError(
                "with schema=open the model names relations freely, which --constrain closed forbids: "
                "use --constrain format or none"
            )

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        if len(document.entities) < 2:
            return Extraction(predictions=())
        request = self.request(document)
        completion = await ask(request)
        parsed = parse_triplets(completion.text, truncated=completion.finish_reason == "length")
        aligned = align_triplets(parsed.triplets, EntityMapper(document, self._by_id), self._relations)
        status, error = status_of(completion, parsed)
        details: dict[str, object] = {**aligned.matches}
        if parsed.repeated:
            details |= {"repeated": parsed.repeated, "mostly_repetition": is_mostly_repetition(parsed)}
        return Extraction(
            predictions=aligned.predictions,
            status=status,
            error=error,
            rejects=(*parsed.rejects, *aligned.rejects),
            steps=(Step(STEP, request, completion),),
            details=details,
        )

    def request(self, document: Document) -> Request:
        """What is sent for a document, without sending it."""
        settings = self.settings
        return Request(
            messages=self._messages(document),
            sampling=settings.sampling,
            constraint=self._constraint(document),
            repeat=settings.repeat,
        )

    @property
    def _by_id(self) -> bool:
        return self.settings.options["refs"] == "id"

    @cached_property
    def _relations(self) -> RelationMapper:
        return RelationMapper(self.settings.schema)

    @cached_property
    def _relation_names(self) -> tuple[str, ...]:
        return tuple(relation.name for relation in self.settings.schema.relations)

    def _references(self, document: Document) -> tuple[str, ...]:
        return tagging.entity_ids(document) if self._by_id else tagging.entity_names(document)

    def _constraint(self, document: Document) -> Constraint | None:
        settings = self.settings
        if settings.level == "none" or settings.form is None:
            return None
        grammar = TripletGrammar(
            self._references(document), self._relation_names, settings.level, settings.max_triplets
        )
        return grammar.render(settings.form)

    def _messages(self, document: Document) -> tuple[Message, ...]:
        references = self._references(document)
        tags = tagging.id_tags(references) if self._by_id else tagging.name_tags(references)
        entities = [
            {"reference": escape(reference), "name": escape(entity.name), "type": escape(entity.type)}
            for reference, entity in zip(references, document.entities, strict=True)
        ]
        context = {
            "options": self.settings.options,
            "output": self.settings.output,
            "max_triplets": self.settings.max_triplets,
            "relations": [escape(name) for name in self._relation_names],
            "entities": entities,
            "text": tagging.tagged_text(document, tags),
        }
        return render(self.settings.variant, STEP, context)
