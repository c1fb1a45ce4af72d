"""Drell's question forms: multiple choice, true or false, and all statements at once (Zhang et al., 2025).

A relation is put as a statement about the two entities. One token answers, and the probability of every option is
read from the log-probabilities at its place.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from harness.errors import InputError
from harness.escaping import escape
from harness.grammar import OptionGrammar
from harness.grammar.options import ANSWER_FIELD
from harness.methods.asking import ask_all
from harness.methods.context import DocumentContext, SchemaContext
from harness.methods.demonstrations import Demonstration, format_option
from harness.methods.option_answers import AskedOptions, read_option_answer
from harness.methods.outcome import status_of_option, worst_status
from harness.methods.questions import (
    OPTIONS,
    CandidateRelations,
    EveryRelation,
    PairQuestion,
    QuestionSource,
    candidates_of,
    number_of,
)
from harness.methods.settings import MethodSettings
from harness.parsing import Option
from harness.types import Ask, Constraint, Document, Extraction, Request, Step

Form = Literal["choice", "judge", "statements"]

NONE_STATEMENT = "None of the above."
TRUE = Option("true", ("yes", "correct", "right"))
FALSE = Option("false", ("no", "not", "incorrect", "wrong", "untrue"))
LETTERS = string.ascii_uppercase
LOGPROBS, SHUFFLE = "logprobs", "shuffle"


def choice(settings: MethodSettings) -> OptionQuestions:
    """One question a pair, its candidate relations as lettered options and none of them as the last."""
    most = number_of(settings, OPTIONS)
    if most >= len(LETTERS):
        raise InputError(f"prompt {settings.variant.name!r}: {OPTIONS}={most}: letters are enough for 25 relations")
    return OptionQuestions(settings, CandidateRelations(settings), "choice")


def judge(settings: MethodSettings) -> OptionQuestions:
    """One question for every pair and candidate relation: is the statement true or false?"""
    return OptionQuestions(settings, CandidateRelations(settings), "judge")


def statements(settings: MethodSettings) -> OptionQuestions:
    """One question a pair, all relations of the schema as numbered options and none of them as the last."""
    return OptionQuestions(settings, EveryRelation(settings), "statements")


@dataclass(frozen=True)
class OptionQuestions:
    """The questions of ``source``, put in one of the three forms; they differ only after the document's text.

    The details of an extraction count the candidate ``pairs``, the ``questions`` asked, the answers
    ``without_probabilities`` and those whose most probable option is ``uncertain``; ``answers`` holds for every
    question its options, the one chosen and their probabilities.
    """

    settings: MethodSettings
    source: QuestionSource
    form: Form

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        asked = list(self._asked(document))
        context = self._context(document)
        requests = [self._request(context, one) for one in asked]
        completions = await ask_all(ask, requests)
        answers = [read_option_answer(*exchange) for exchange in zip(asked, completions, strict=True)]
        written = [answer.written for answer in answers]
        status, error = worst_status(list(map(status_of_option, completions, written)))
        several = self.settings.options.get("labels") == "several"
        return Extraction(
            predictions=tuple(one for answer in answers for one in answer.predictions(several=several)),
            status=status,
            error=error,
            rejects=tuple(reject for answer in answers for reject in answer.rejects),
            steps=tuple(Step(self.form, *exchange) for exchange in zip(requests, completions, strict=True)),
            details={
                "pairs": len(candidates_of(self.settings).pairs(document)),
                "questions": len(asked),
                "without_probabilities": sum(answer.probabilities is None for answer in answers),
                "uncertain": sum(answer.is_uncertain for answer in answers),
                "answers": [answer.as_json() for answer in answers],
            },
        )

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """Every question, answered with the first option that the labels make true."""
        context = self._context(document)
        gold = {tuple(label.triplet) for label in document.labels}
        demonstrations = []
        for asked in self._asked(document):
            head, tail = asked.pair
            true = (
                label for label, one in zip(asked.labels, asked.relations, strict=True) if (head, one, tail) in gold
            )
            answer = format_option(next(true, asked.labels[asked.none]), self.settings.output)
            demonstrations.append(Demonstration(self.form, self._request(context, asked), answer))
        return demonstrations

    @cached_property
    def _schema(self) -> SchemaContext:
        return SchemaContext(self.settings.schema)

    def _context(self, document: Document) -> DocumentContext:
        return DocumentContext(document, self.settings, self._schema)

    def _asked(self, document: Document) -> Iterator[AskedOptions]:
        for question in self.source.questions(document):
            if self.form == "judge":
                for relation in question.relations:
                    statement = self._state(document, question, relation)
                    yield AskedOptions(question.pair, (relation, None), (replace(TRUE, statement=statement), FALSE))
            else:
                relations = self._shuffled(document, question)
                stated = [self._state(document, question, relation) for relation in relations]
                options = [
                    Option(label, (), one) for label, one in zip(self._labels(len(stated)), stated, strict=False)
                ]
                last = Option(self._labels(len(stated))[-1], ("none",), NONE_STATEMENT)
                yield AskedOptions(question.pair, (*relations, None), (*options, last))

    def _labels(self, relations: int) -> list[str]:
        """Of as many relations, and none of them. Numbers are of one length, so that none begins another."""
        if self.form == "choice":
            return list(LETTERS[: relations + 1])
        width = len(str(relations + 1))
        return [f"{number:0{width}}" for number in range(1, relations + 2)]

    def _shuffled(self, document: Document, question: PairQuestion) -> list[str]:
        """The relations in another order for another seed, to see how much the place of an option counts."""
        relations, seed = list(question.relations), number_of(self.settings, SHUFFLE)
        if seed:
            random.Random(f"{seed} {document.title} {question.pair}").shuffle(relations)
        return relations

    def _state(self, document: Document, question: PairQuestion, relation: str) -> str:
        """The relation's statement about head and tail, by name and, if they are shown, type."""
        entities = (document.entities[index] for index in question.pair)
        shown = self.settings.options.get("types") == "shown"
        head, tail = (f"{escape(one.name)} ({escape(one.type)})" if shown else escape(one.name) for one in entities)
        return self.settings.relation_texts[relation].state(head, tail)

    def _request(self, context: DocumentContext, asked: AskedOptions) -> Request:
        head, tail = asked.pair
        request = context.request(
            self.form,
            self._constraint(asked),
            head=head,
            tail=tail,
            choices=[{"label": option.label, "statement": option.statement} for option in asked.options],
            answer_field=ANSWER_FIELD,
        )
        most = self.settings.max_top_logprobs
        return replace(request, top_logprobs=min(most, number_of(self.settings, LOGPROBS)))

    def _constraint(self, asked: AskedOptions) -> Constraint | None:
        form = self.settings.form
        return None if form is None else OptionGrammar(asked.labels).render(form)
