"""What the methods share: the context of a document, questions with their answer form, and what their answers give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Generic, NamedTuple, Protocol, TypeVar

from harness.alignment.decisions import RelationDecision, as_details
from harness.alignment.triplets import align_triplets
from harness.answers.base import AnswerForm, Read
from harness.answers.label import LabelForm, LabelReading
from harness.answers.reader import ListingForm, Parsed
from harness.answers.reasoned import ReasonedForm
from harness.answers.status import worst_status
from harness.answers.triplet_scores import triplet_scores
from harness.answers.triplets import TripletForm, TripletListing
from harness.answers.typed import TypedTripletForm
from harness.methods.asking import ask_all
from harness.methods.context import DocumentContext, SchemaContext
from harness.methods.settings import MethodSettings
from harness.prompting.languages import ENGLISH
from harness.prompting.variant import EVIDENCE
from harness.types import Ask, Document, Extraction, Method, Prediction, RawTriplet, Reject, Request, Status, Step

Item = TypeVar("Item")


class Demonstration(NamedTuple):
    """A question of a method, the step that asks it, and the answer that the document's labels give."""

    step: str
    request: Request
    answer: str


class PromptMethod(Method, Protocol):
    """A method that can also be shown at work: for few-shot prompts, previews and tests."""

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """Every exchange about ``document``, in the order in which a perfect model would be asked."""
        ...


@dataclass(frozen=True)
class Question(Generic[Read]):
    """A request of a step, and the form that its answer is to have."""

    step: str
    request: Request
    form: AnswerForm[Read]


@dataclass(frozen=True)
class PromptedMethod(ABC):
    """The base of the methods: ``settings`` and, of every document, the context that its prompts are made from."""

    settings: MethodSettings

    @abstractmethod
    async def extract(self, document: Document, ask: Ask) -> Extraction: ...

    @cached_property
    def schema(self) -> SchemaContext:
        return SchemaContext(self.settings.schema, self.settings.alignment)

    def context(self, document: Document) -> DocumentContext:
        return DocumentContext(document, self.settings, self.schema)

    def narrowed(self, document: Document) -> Document:
        """The document, whose candidate pairs are those of ``--candidates`` where they are given."""
        source = self.settings.candidates
        return document if source is None else replace(document, candidates=source.pairs(document))

    def triplet_form(
        self, context: DocumentContext, relations: Sequence[str] | None = None, head: int | None = None
    ) -> TripletListing:
        """A list of triplets over all entities of the document and all relations of the schema.

        A question about some ``relations`` only, by name, leaves no others at any level. ``head`` is the place of the
        only head.
        """
        references, most = context.references, self.settings.max_triplets
        sentences = self.sentences_of(context)
        level, names = self.settings.grammar_level, self.schema.names
        if relations is not None:
            level, names = "closed", tuple(relations)
            heads = len(references) if head is None else 1
            most = min(most, heads * (len(references) - 1) * len(names))
        only = None if head is None else references[head]
        if self.settings.level == "typed":
            return TypedTripletForm(references, context.types, context.fitting(names), most, only, sentences)
        return TripletForm(references, names, level, most, only, sentences)

    def sentences_of(self, context: DocumentContext) -> int:
        """How many sentences triplets of the document can name; 0 where they name none."""
        return len(context.document.sentences) if self.settings.names_evidence else 0

    def question(self, context: DocumentContext, step: str, form: AnswerForm[Read], **more: object) -> Question[Read]:
        """The question of a step: its template over the shared context and ``more``, held to the answer form."""
        notation, endings = self.settings.form, dict(self.settings.general_templates)
        if not (isinstance(form, ListingForm) and form.sentences):
            endings.pop(EVIDENCE, None)  # Another step than that of the triplets.
        is_scored = self.settings.scores_tokens and isinstance(form, ListingForm)
        if self.settings.reasons:
            form = ReasonedForm(form)
        constraint = form.render(notation) if notation else None
        request = context.request(step, constraint, tuple(endings.values()), **more)
        return Question(step, replace(request, top_logprobs=1) if is_scored else request, form)

    def reading(self, question: Question[Read], most: int, labels: Sequence[str]) -> Question[Read]:
        """The question with the probabilities of up to ``most`` alternatives a token, and those of ``labels``.

        Where the model reasons first, its many tokens make labels too dear.
        """
        exact = () if self.settings.reasons or not most else tuple(labels)
        return replace(question, request=replace(question.request, top_logprobs=most, labels=exact))

    def first_token(self, step: str, request: Request, labels: Sequence[str], most: int) -> Question[LabelReading]:
        """The question which of ``labels`` the answer's only token begins, with ``most`` alternatives, and theirs."""
        form, notation = LabelForm(tuple(labels)), self.settings.form
        if notation and notation != "json_schema" and self.settings.variant.language != ENGLISH:
            # Of an answer in another script the first token may be a part of a character, for which llama.cpp reports
            # nothing: held to the labels, it begins one. JSON would begin with a brace.
            request = replace(request, constraint=form.render(notation))
        sampling = replace(request.sampling, max_tokens=1)
        read = replace(request, sampling=sampling, top_logprobs=most, labels=tuple(labels), first_tokens=True)
        return Question(step, read, form)

    async def predictions(
        self, stated: Sequence[RawTriplet], context: DocumentContext, answers: Answers
    ) -> tuple[Prediction, ...]:
        """The triplets that answers stated, aligned with the document and the schema; counted in ``answers``.

        Those below the least score are left out.
        """
        await self.schema.mapper.learn(triplet.relation for triplet in stated)
        aligned = align_triplets(stated, context.mapper, self.schema.mapper, answers.scores)
        answers.add(aligned.rejects, aligned.matches, aligned.decisions)
        least = self.settings.least_score
        kept = tuple(one for one in aligned.predictions if one.score is None or one.score >= least)
        answers.add((), {"below_least_score": len(aligned.predictions) - len(kept)})
        return kept

    def demonstration(self, question: Question[Read], content: object) -> Demonstration:
        """The question with the answer that says ``content``, in the form's own terms."""
        return Demonstration(question.step, question.request, question.form.write(content, self.settings.output))


@dataclass
class Answers:
    """Asks a document's questions through ``ask`` and collects what its extraction tells of the answers."""

    ask: Ask
    scores: dict[RawTriplet, float] = field(default_factory=dict)
    """Of the triplets that answers with log-probabilities stated, as they were written; of equal ones the first's."""
    _steps: list[Step] = field(default_factory=list)
    _outcomes: list[tuple[Status, str]] = field(default_factory=list)
    _rejects: list[Reject] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _decisions: list[RelationDecision] = field(default_factory=list)
    _mostly_repetition: bool = False

    async def to(self, question: Question[Read]) -> Read:
        """What the answer to one question says."""
        (reading,) = await self.to_each([question], lambda one: one)
        return reading

    async def to_each(self, items: Iterable[Item], question: Callable[[Item], Question[Read]]) -> list[Read]:
        """What the answers to the ``question`` about each item say, in their order.

        Neither the next item nor its question is made before it can be asked. What earlier answers led to may be asked
        of this sample only.
        """

        def alone(item: Item) -> Question[Read]:
            asked = question(item)
            return replace(asked, request=replace(asked.request, more=0))

        readings = []
        for step, reading, outcome in await ask_all(self.ask, items, alone if self._steps else question, self._answer):
            readings.append(reading)
            self._steps.append(step)
            self._outcomes.append(outcome)
            self._rejects += reading.rejects
            if isinstance(reading, Parsed) and step.completion.logprobs:
                self.scores = {**triplet_scores(step.completion.text, step.completion.logprobs), **self.scores}
            if isinstance(reading, Parsed) and reading.repeated:
                self._counts["repeated"] += reading.repeated
                self._mostly_repetition |= reading.is_mostly_repetition
        return readings

    async def _answer(self, question: Question[Read]) -> tuple[Step, Read, tuple[Status, str]]:
        completion = await self.ask(question.request)
        # Read as it came: what is apart once may hold a line that looks like the marker of reasoning.
        reading = question.form.read(completion)
        outcome = question.form.status(completion, reading)
        return Step(question.step, question.request, question.form.apart(completion), outcome[0]), reading, outcome

    @property
    def status(self) -> Status:
        """The worst status of the answers so far."""
        return worst_status(self._outcomes)[0]

    def add(
        self, rejects: Sequence[Reject], counts: Mapping[str, int], decisions: Sequence[RelationDecision] = ()
    ) -> None:
        """Count what alignment, or the method itself, made of the answers."""
        self._rejects += rejects
        self._counts.update(counts)
        self._decisions += decisions

    def extraction(self, predictions: Sequence[Prediction], details: Mapping[str, object] | None = None) -> Extraction:
        """The document's extraction, with the worst status of its answers; ``details`` are the method's own."""
        status, error = worst_status(self._outcomes)
        repetition = {"mostly_repetition": self._mostly_repetition} if self._counts["repeated"] else {}
        return Extraction(
            predictions=tuple(predictions),
            status=status,
            error=error,
            rejects=tuple(self._rejects),
            steps=tuple(self._steps),
            details={**+self._counts, **as_details(self._decisions), **repetition, **(details or {})},
        )
