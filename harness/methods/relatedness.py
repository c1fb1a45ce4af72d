"""Related or not: which ordered pairs of entities have any relation (LMRC's first step, asked of an LLM).

An LLM is so what LMRC trains an encoder for (Li et al., 2024): it proposes the pairs that a second model classifies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.answers.label import LabelReading
from harness.answers.option import ANSWER_FIELD, Option, OptionForm, OptionReading
from harness.methods.base import Answers, Demonstration, PromptedMethod, Question
from harness.methods.candidates import AllPairs, Pair
from harness.methods.context import DocumentContext
from harness.methods.questions import LEAST, LOWEST_KEPT, logistic, number_of
from harness.types import RELATED, Ask, Document, Extraction, Prediction, Triplet

STEP = "related"
BY = "by"
"""The option that says what one question is about: a head (``head``) or a pair (``pair``)."""
NONE = "none"
YES = Option("yes", ("true", "correct"))
NO = Option("no", ("false", "not", "incorrect"))


@dataclass(frozen=True)
class Relatedness(PromptedMethod):
    """A question for every head, or for every ordered pair; at level ``typed`` only of types that a relation allows.

    Of a head, one token shows P(tail | head) over all tails and none: a pair's score is the logistic function of
    w * log(P(tail | head) / P(none | head)), with w = ``weight`` / 100, and 0 where neither was returned. Of a pair,
    the score is the probability of yes against no; without log-probabilities it is 1 or 0. A pair is predicted from
    ``least`` / 100 on, with the relation ``RELATED``. The details of an extraction count the ``questions`` and hold
    the ``candidates``.
    """

    @property
    def by_pair(self) -> bool:
        return self.settings.options.get(BY) == "pair"

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        context, answers = self.context(document), Answers(ask)
        pairs = self._pairs(context)
        if self.by_pair:
            asked = len(pairs)
            read = await answers.to_each(pairs, lambda pair: self._pair_question(context, pair))
            scores = zip(pairs, map(_score, read), strict=True)
        else:
            heads = list(dict.fromkeys(head for head, _ in pairs))
            asked = len(heads)
            readings = await answers.to_each(heads, lambda head: self._head_question(context, pairs, head))
            scores = zip(pairs, self._scores(readings, heads, pairs), strict=True)
        candidates = sorted(
            (Prediction(Triplet(head, RELATED, tail), score=round(score, 5)) for (head, tail), score in scores),
            key=lambda one: -(one.score or 0.0),
        )
        least = max(number_of(self.settings, LEAST) / 100, LOWEST_KEPT)
        details = {
            "questions": asked,
            "candidates": [[*one.triplet, one.score] for one in candidates if (one.score or 0.0) >= LOWEST_KEPT],
        }
        return answers.extraction([one for one in candidates if (one.score or 0.0) >= least], details)

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """Every question; of a head that has several tails in the labels, the first of them answers."""
        context = self.context(document)
        pairs = self._pairs(context)
        gold = list(dict.fromkeys((label.triplet.head, label.triplet.tail) for label in document.labels))
        if self.by_pair:
            answers = [(self._pair_question(context, pair), YES if pair in gold else NO) for pair in pairs]
            return [self.demonstration(question, option.label) for question, option in answers]
        said = []
        for head in dict.fromkeys(head for head, _ in pairs):
            tails = [context.names[tail] for one, tail in gold if one == head and (one, tail) in pairs]
            said.append(self.demonstration(self._head_question(context, pairs, head), next(iter(tails), NONE)))
        return said

    def _pairs(self, context: DocumentContext) -> Sequence[Pair]:
        """The pairs that are asked about, by head, then by tail."""
        pairs = AllPairs().pairs(context.document)
        if self.settings.level != "typed":
            return pairs
        fitting, types = context.fitting(self.schema.names), context.types
        return [pair for pair in pairs if fitting[types[pair[0]], types[pair[1]]]]

    def _pair_question(self, context: DocumentContext, pair: Pair) -> Question[OptionReading]:
        head, tail = (context.names[place] for place in pair)
        fields = {"names": context.names, "head": head, "tail": tail, "answer_field": ANSWER_FIELD}
        question = self.question(context, STEP, OptionForm((YES, NO)), **fields)
        return self.reading(question, self._top_logprobs, (YES.label, NO.label))

    def _head_question(self, context: DocumentContext, pairs: Sequence[Pair], head: int) -> Question[LabelReading]:
        labels = [context.names[tail] for one, tail in pairs if one == head]
        request = context.request(STEP, None, names=context.names, head=context.names[head], tail=None, answer_field="")
        return self.first_token(STEP, request, (*labels, NONE), self._top_logprobs)

    @property
    def _top_logprobs(self) -> int:
        return min(self.settings.max_top_logprobs, number_of(self.settings, "logprobs"))

    def _scores(self, readings: Sequence[LabelReading], heads: Sequence[int], pairs: Sequence[Pair]) -> Iterator[float]:
        """The score of each pair, in their order; 0 where nothing could be read."""
        weight = number_of(self.settings, "weight") / 100
        for head, reading in zip(heads, readings, strict=True):
            tails = sum(one == head for one, _ in pairs)
            if reading.logprobs is None:
                yield from [0.0] * tails
                continue
            for odds in reading.odds_against_last():
                yield logistic(weight * odds)


def _score(reading: OptionReading) -> float:
    """The probability of yes; of what was written where none could be read."""
    if reading.probabilities is not None:
        return reading.probabilities.probabilities[0]
    return float(reading.option == 0)
