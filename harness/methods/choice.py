"""Drell's question forms: multiple choice, true or false, and all statements at once (Zhang et al., 2025).

A relation is put as a statement about the two entities. One token answers, and the probability of every option is
read from the log-probabilities at its place.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.answers.option import ANSWER_FIELD, Option, OptionForm, OptionReading
from harness.errors import InputError
from harness.escaping import escape
from harness.methods.base import Answers, Demonstration, PromptedMethod, Question
from harness.methods.candidates import PairQuestion, QuestionSource
from harness.methods.context import DocumentContext
from harness.methods.option_answers import NO_OPTION, AskedOptions, OptionAnswer
from harness.methods.questions import OPTIONS, CandidateRelations, EveryRelation, number_of
from harness.methods.settings import MethodSettings
from harness.types import Ask, Document, Extraction

Form = Literal["choice", "judge", "statements", "single-choice"]

TRUE = Option("true", ("yes", "correct", "right", "真", "对", "是", "正确"))
FALSE = Option("false", ("no", "not", "incorrect", "wrong", "untrue", "假", "错", "否", "错误", "不正确"))
LETTERS = string.ascii_uppercase
LOGPROBS, SHUFFLE = "logprobs", "shuffle"


def choice(settings: MethodSettings) -> OptionQuestions:
    """One question a pair, its candidate relations as lettered options and none of them as the last."""
    most = number_of(settings, OPTIONS)
    if most >= len(LETTERS):
        raise InputError(f"prompt {settings.variant.name!r}: {OPTIONS}={most}: letters are enough for 25 relations")
    return OptionQuestions(settings, settings.questions or CandidateRelations(settings), "choice")


def judge(settings: MethodSettings) -> OptionQuestions:
    """One question for every pair and candidate relation: is the statement true or false?"""
    return OptionQuestions(settings, settings.questions or CandidateRelations(settings), "judge")


def statements(settings: MethodSettings) -> OptionQuestions:
    """One question a pair, all relations of the schema as numbered options and none of them as the last."""
    return OptionQuestions(settings, EveryRelation(settings), "statements")


def single_choice(settings: MethodSettings) -> OptionQuestions:
    """One question a pair that is known to hold exactly one relation: all relations of the schema, and no other option.

    They have letters, or numbers where there are more than 26.
    """
    return OptionQuestions(settings, EveryRelation(settings), "single-choice")


@dataclass(frozen=True)
class OptionQuestions(PromptedMethod):
    """The questions of ``source``, put in one of the forms; they differ only after the document's text.

    The details of an extraction count the candidate ``pairs``, the ``questions`` asked, the answers
    ``without_probabilities`` and those whose most probable option is ``uncertain``; ``answers`` holds for every
    question its options, the one chosen and their probabilities.
    """

    source: QuestionSource
    form: Form

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        context, answers = self.context(document), Answers(ask)
        asked: list[AskedOptions] = []

        def question(one: AskedOptions) -> Question[OptionReading]:
            asked.append(one)
            return self._question(context, one)

        readings = await answers.to_each(self._asked(document), question)
        answered = [OptionAnswer(*one) for one in zip(asked, readings, strict=True)]
        several = self.settings.options.get("labels") == "several"
        predictions = [one for answer in answered for one in answer.predictions(several=several)]
        details = {
            "pairs": self.source.pair_count(document),
            "questions": len(asked),
            "without_probabilities": sum(answer.probabilities is None for answer in answered),
            "uncertain": sum(answer.is_uncertain for answer in answered),
            "answers": [answer.as_json() for answer in answered],
        }
        return answers.extraction(predictions, details)

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """Every question, answered with the first option that the labels make true."""
        context = self.context(document)
        gold = {tuple(label.triplet) for label in document.labels}
        demonstrations = []
        for asked in self._asked(document):
            head, tail = asked.pair
            true = (
                label for label, one in zip(asked.labels, asked.relations, strict=True) if (head, one, tail) in gold
            )
            label = next(true, None if asked.none == NO_OPTION else asked.labels[asked.none])
            if label is None:
                continue
            demonstrations.append(self.demonstration(self._question(context, asked), label))
        return demonstrations

    def _asked(self, document: Document) -> Iterator[AskedOptions]:
        for question in self.source.questions(document):
            relations = self._shuffled(document, question) if self.form != "judge" else question.relations
            stated = self._statements(document, question, relations)
            if self.form == "judge":
                for relation, statement in zip(relations, stated, strict=True):
                    yield AskedOptions(question.pair, (relation, None), (replace(TRUE, statement=statement), FALSE))
            elif self.form == "single-choice":
                labels = self._labels(len(stated))
                options = [Option(label, (), one) for label, one in zip(labels, stated, strict=True)]
                yield AskedOptions(question.pair, tuple(relations), tuple(options))
            else:
                *labels, last = self._labels(len(stated) + 1)
                options = [Option(label, (), one) for label, one in zip(labels, stated, strict=True)]
                none = Option(last, ("none",), self.settings.words.none_of_the_above)
                yield AskedOptions(question.pair, (*relations, None), (*options, none))

    def _labels(self, count: int) -> list[str]:
        """Letters, or numbers from 1. Numbers are of one length, so that none is the beginning of another."""
        if self.form == "choice" or (self.form == "single-choice" and count <= len(LETTERS)):
            return list(LETTERS[:count])
        return [f"{number:0{len(str(count))}}" for number in range(1, count + 1)]

    def _shuffled(self, document: Document, question: PairQuestion) -> Sequence[str]:
        """The relations in another order for another seed, to see how much the place of an option counts."""
        seed = number_of(self.settings, SHUFFLE)
        if not seed:
            return question.relations
        drawn = random.Random(f"{seed} {document.title} {question.pair}")
        return drawn.sample(question.relations, len(question.relations))

    def _statements(self, document: Document, question: PairQuestion, relations: Sequence[str]) -> list[str]:
        """The statement of each relation about head and tail, by name and, if they are shown, type."""
        entities = (document.entities[index] for index in question.pair)
        shown = self.settings.options.get("types") == "shown"
        head, tail = (f"{escape(one.name)} ({escape(one.type)})" if shown else escape(one.name) for one in entities)
        return [self.settings.relation_texts[relation].state(head, tail) for relation in relations]

    def _question(self, context: DocumentContext, asked: AskedOptions) -> Question[OptionReading]:
        head, tail = asked.pair
        question = self.question(
            context,
            self.form,
            OptionForm(asked.options),
            head=head,
            tail=tail,
            choices=[{"label": option.label, "statement": option.statement} for option in asked.options],
            answer_field=ANSWER_FIELD,
        )
        most = min(self.settings.max_top_logprobs, number_of(self.settings, LOGPROBS))
        return self.reading(question, most, asked.labels)
