"""All triplets of a document in one answer, mentions tagged in the text (GLiDRE's zero-shot baseline)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.answers.grouped import GroupedForm
from harness.answers.reader import ListingForm, Parsed
from harness.errors import InputError
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
        triplets = [context.write(label) for label in document.labels[: self.settings.max_triplets]]
        return [self.demonstration(self._question(context), triplets)]

    def _question(self, context: DocumentContext) -> Question[Parsed[RawTriplet]]:
        return self.question(context, STEP, self.answer_form(context))

    def answer_form(self, context: DocumentContext) -> ListingForm[RawTriplet]:
        """The form of the one answer."""
        return self.triplet_form(context)


@dataclass(frozen=True)
class Grouped(Tagged):
    """The same with an answer that goes through heads, relations and tails in order, each once."""

    def __post_init__(self) -> None:
        if self.settings.level == "format":
            raise InputError(
                f"prompt {self.settings.variant.name!r} lists relations in the order of the schema, which --constrain "
                "format leaves open: use --constrain closed or typed"
            )

    def answer_form(self, context: DocumentContext) -> ListingForm[RawTriplet]:
        names = self.schema.names
        fitting = context.fitting(names) if self.settings.level == "typed" else None
        return GroupedForm(context.references, names, context.types, fitting, self.sentences_of(context))
