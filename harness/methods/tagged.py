"""All triplets of a document in one answer, mentions tagged in the text (GLiDRE's zero-shot baseline)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.answers.reader import Parsed
from harness.methods.base import Answers, Demonstration, PromptedMethod, Question
from harness.methods.context import DocumentContext
from harness.types import Ask, Document, Extraction, RawTriplet

STEP = "extract"


@dataclass(frozen=True)
class Tagged(PromptedMethod):
    """One request a document; a document with fewer than two entities needs none."""

    def __post_init__(self) -> None:
        self.settings.check_open_schema()

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        if len(document.entities) < 2:
            return Extraction(predictions=())
        context, answers = self.context(document), Answers(ask)
        parsed = await answers.to(self._question(context))
        return answers.extraction(await self.predictions(parsed.entries, context, answers))

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """The document's first ``max_triplets`` labels as its answer."""
        if len(document.entities) < 2:
            return []
        context = self.context(document)
        triplets = [context.write(label.triplet) for label in document.labels[: self.settings.max_triplets]]
        return [self.demonstration(self._question(context), triplets)]

    def _question(self, context: DocumentContext) -> Question[Parsed[RawTriplet]]:
        return self.question(context, STEP, self.triplet_form(context))
