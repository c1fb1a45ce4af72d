"""All triplets of a document in one answer, mentions tagged in the text (GLiDRE's zero-shot baseline)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.alignment.triplets import align_triplets
from harness.grammar import TripletGrammar
from harness.methods.context import DocumentContext, SchemaContext
from harness.methods.demonstrations import Demonstration, format_answer
from harness.methods.outcome import is_mostly_repetition, status_of
from harness.methods.settings import MethodSettings
from harness.parsing import parse_triplets
from harness.types import Ask, Constraint, Document, Extraction, Step

STEP = "extract"


@dataclass(frozen=True)
class Tagged:
    """One request a document; a document with fewer than two entities needs none."""

    settings: MethodSettings

    def __post_init__(self) -> None:
        self.settings.check_open_schema()

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        if len(document.entities) < 2:
            return Extraction(predictions=())
        context = self._context(document)
        request = context.request(STEP, self._constraint(context))
        completion = await ask(request)
        parsed = parse_triplets(completion.text, truncated=completion.finish_reason == "length")
        await self._schema.mapper.learn(triplet.relation for triplet in parsed.triplets)
        aligned = align_triplets(parsed.triplets, context.mapper, self._schema.mapper)
        status, error = status_of(completion, parsed)
        details = aligned.details
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

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """The document's first ``max_triplets`` labels as its answer."""
        if len(document.entities) < 2:
            return []
        context = self._context(document)
        triplets = [context.write(label.triplet) for label in document.labels[: self.settings.max_triplets]]
        request = context.request(STEP, self._constraint(context))
        return [Demonstration(STEP, request, format_answer(triplets, self.settings.output))]

    @cached_property
    def _schema(self) -> SchemaContext:
        return SchemaContext(self.settings.schema, self.settings.alignment)

    def _context(self, document: Document) -> DocumentContext:
        return DocumentContext(document, self.settings, self._schema)

    def _constraint(self, context: DocumentContext) -> Constraint | None:
        settings = self.settings
        if settings.level == "none" or settings.form is None:
            return None
        grammar = TripletGrammar(context.references, self._schema.names, settings.level, settings.max_triplets)
        return grammar.render(settings.form)
