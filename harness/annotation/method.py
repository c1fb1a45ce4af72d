"""Two questions a document: its entities with coreferent mentions, then the relations between them.

GLiDRE (section 2.5 and Figure 3) annotates its pre-training documents so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from harness.alignment.relations import RelationMapper
from harness.alignment.triplets import align_triplets
from harness.annotation.grounding import ENTITY_TYPES, GroundedEntities, ground
from harness.annotation.open_relations import relations_named
from harness.annotation.texts import PlainDocument
from harness.errors import InputError
from harness.grammar import EntityGrammar, TripletGrammar
from harness.methods.context import DocumentContext, SchemaContext
from harness.methods.outcome import bad_ending, is_mostly_repetition, status_of
from harness.methods.settings import MethodSettings
from harness.parsing import ParsedEntities, ParsedTriplets, parse_entities, parse_triplets
from harness.prompting.tagging import escape_markup
from harness.types import Ask, Completion, Constraint, Document, Extraction, Status, Step

METHOD = "annotate"
ENTITIES, RELATIONS = "entities", "relations"
MAX_WORDS, MAX_ENTITIES, MAX_MENTIONS = "max_words", "max_entities", "max_mentions"


@dataclass(frozen=True)
class Annotate:
    """At most two requests a document; what the first did not bring to an end is not asked about further.

    The extraction's ``entities`` are those found; its predictions refer to them. A document of more tokens
    than ``max_words`` is not asked about and ends ``context_overflow``. With ``schema=open`` the relation
    ids of predictions are those of :func:`relations_named`.
    """

    settings: MethodSettings

    def __post_init__(self) -> None:
        variant, options = self.settings.variant, self.settings.options
        for name in (MAX_WORDS, MAX_ENTITIES, MAX_MENTIONS):
            if name not in options:
                raise InputError(f"prompt {variant.name!r} needs [numbers.{name}] in its file")
        if self._is_open and self.settings.level == "closed":
            raise InputError(
                "with --schema open the model names relations freely, which --constrain closed forbids: "
                "use --constrain format or none"
            )

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        words = sum(map(len, document.sentences))
        if words > self._number(MAX_WORDS):
            error = f"{words} tokens, more than max_words: split the text, or raise -P {MAX_WORDS}"
            return Extraction((), status="context_overflow", error=error)
        if not words:
            return Extraction(())
        first, parsed = await self._ask_entities(document, ask)
        grounded = ground(parsed.entities, document.sentences)
        status, error = _entity_status(first.completion, parsed)
        found = Extraction(
            predictions=(),
            status=status,
            error=error,
            rejects=(*parsed.rejects, *grounded.rejects),
            steps=(first,),
            entities=grounded.entities,
            details=_entity_details(grounded),
        )
        if status != "ok" or len(grounded.entities) < 2:
            return found
        return await self._relate(replace(document, entities=grounded.entities), found, ask)

    async def _ask_entities(self, document: Document, ask: Ask) -> tuple[Step, ParsedEntities]:
        text = document.text if isinstance(document, PlainDocument) else " ".join(map(" ".join, document.sentences))
        request = self._context(document).request(
            ENTITIES,
            self._entity_constraint(),
            text=escape_markup(text.strip()),
            entity_types=ENTITY_TYPES,
            max_entities=self._number(MAX_ENTITIES),
            max_mentions=self._number(MAX_MENTIONS),
        )
        completion = await ask(request)
        return Step(ENTITIES, request, completion), parse_entities(completion.text)

    async def _relate(self, document: Document, found: Extraction, ask: Ask) -> Extraction:
        """``found`` with the relations between its entities, which ``document`` now has."""
        context = self._context(document)
        request = context.request(RELATIONS, self._relation_constraint(context))
        completion = await ask(request)
        parsed = parse_triplets(completion.text, truncated=completion.finish_reason == "length")
        aligned = align_triplets(parsed.triplets, context.mapper, self._relation_mapper(parsed))
        status, error = status_of(completion, parsed)
        details: dict[str, object] = {**found.details, **aligned.matches}
        if parsed.repeated:
            details |= {"repeated": parsed.repeated, "mostly_repetition": is_mostly_repetition(parsed)}
        return replace(
            found,
            predictions=aligned.predictions,
            status=status,
            error=error,
            rejects=(*found.rejects, *parsed.rejects, *aligned.rejects),
            steps=(*found.steps, Step(RELATIONS, request, completion)),
            details=details,
        )

    @property
    def _is_open(self) -> bool:
        return self.settings.options.get("schema") == "open"

    def _number(self, name: str) -> int:
        return int(self.settings.options[name])

    @cached_property
    def _schema(self) -> SchemaContext:
        return SchemaContext(self.settings.schema, self.settings.alignment)

    def _context(self, document: Document) -> DocumentContext:
        return DocumentContext(document, self.settings, self._schema)

    def _relation_mapper(self, parsed: ParsedTriplets) -> RelationMapper:
        return RelationMapper(relations_named(parsed.triplets)) if self._is_open else self._schema.mapper

    def _entity_constraint(self) -> Constraint | None:
        if self.settings.form is None:
            return None
        grammar = EntityGrammar(ENTITY_TYPES, self._number(MAX_ENTITIES), self._number(MAX_MENTIONS))
        return grammar.render(self.settings.form)

    def _relation_constraint(self, context: DocumentContext) -> Constraint | None:
        settings = self.settings
        if settings.level == "none" or settings.form is None:
            return None
        grammar = TripletGrammar(context.references, self._schema.names, settings.level, settings.max_triplets)
        return grammar.render(settings.form)


def _entity_status(completion: Completion, parsed: ParsedEntities) -> tuple[Status, str]:
    if ending := bad_ending(completion):
        return ending
    if not parsed.closed:
        return "invalid_output", "the answer is no JSON list of entities that comes to its end"
    return "ok", ""


def _entity_details(grounded: GroundedEntities) -> dict[str, object]:
    counts = {"covered_occurrence": grounded.covered, "unknown_type": grounded.unknown_types}
    return {name: count for name, count in counts.items() if count}
