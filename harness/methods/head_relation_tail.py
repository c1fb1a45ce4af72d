"""Triplets ranked by probability: of every head its likeliest relations, of each of these its likeliest tails.

The probability that a model writes a triplet as head, relation, tail is the product of two distributions that one
token each shows: P(relation | head) over the relations that the head's type allows, and P(tail | head, relation) over
the entities that the relation allows. What counts of the second is how much likelier a tail is than none: a relation
with several tails divides their probability among them. AutoRE asks in steps, too, and reads what the model writes
(Xue et al., 2024); here nothing is written, so that no list can be cut or repeat itself, and every candidate has a
score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from harness.answers.label import LabelReading
from harness.escaping import escape
from harness.methods.base import Answers, Demonstration, PromptedMethod, Question
from harness.methods.context import DocumentContext
from harness.methods.questions import LEAST, LOWEST_KEPT, logistic, number_of
from harness.types import Ask, Document, Extraction, Prediction, Triplet

STEP = "answer"
NONE = "none"


class HeadRelation(NamedTuple):
    """A question about tails: a head, one of its relations, and the logarithm of that relation's probability."""

    head: int
    relation: str
    logprob: float


@dataclass(frozen=True)
class HeadRelationTail(PromptedMethod):
    """Two rounds of questions of one token each.

    The score of a triplet is the logistic function of w * log P(relation | head) + v * log(P(tail | head, relation) /
    P(none | head, relation)), with w = ``relation_weight`` / 100 and v = ``tail_weight`` / 100; where neither tail nor
    none was returned by the server, it is 0 (unless v is). It is predicted from
    ``least`` / 100 on. The ``relations`` likeliest relations of a head are asked about. Argument types come from the
    relation texts. The details of an extraction count the ``questions`` and hold the ``candidates``: head, relation
    id, tail, score.
    """

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        document = self.narrowed(document)
        context, answers = self.context(document), Answers(ask)
        heads = [head for head in range(len(document.entities)) if self._relations(document, head)]
        readings = await answers.to_each(heads, lambda head: self._relation_question(context, head))
        asked = list(self._likeliest(document, heads, readings))
        tails = await answers.to_each(asked, lambda one: self._tail_question(context, one.head, one.relation))
        candidates = sorted(self._candidates(document, asked, tails), key=lambda one: -(one.score or 0.0))
        least = number_of(self.settings, LEAST) / 100
        kept = [one for one in candidates if (one.score or 0.0) >= max(least, LOWEST_KEPT)]
        details = {
            "questions": len(heads) + len(asked),
            "candidates": [[*one.triplet, one.score] for one in candidates if (one.score or 0.0) >= LOWEST_KEPT],
        }
        return answers.extraction(kept, details)

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """The question about every head, and about the tail of every relation that it has in the labels."""
        document = self.narrowed(document)
        context = self.context(document)
        gold: dict[int, dict[str, int]] = {}
        for head, relation, tail in (label.triplet for label in document.labels):
            gold.setdefault(head, {}).setdefault(relation, tail)
        said = []
        for head in range(len(document.entities)):
            relations = self._relations(document, head)
            if not relations:
                continue
            stated = {one: tail for one, tail in gold.get(head, {}).items() if one in relations}
            label = self._label(next(iter(stated))) if stated else NONE
            said.append(self.demonstration(self._relation_question(context, head), label))
            for relation, tail in stated.items():
                if tail in self._tails(document, head, relation):
                    question = self._tail_question(context, head, relation)
                    said.append(self.demonstration(question, context.names[tail]))
        return said

    def _label(self, relation: str) -> str:
        return self.settings.relation_texts[relation].label or self.settings.schema.by_id[relation].name

    def _relations(self, document: Document, head: int) -> list[str]:
        """The relations that the head's type allows and that have a possible tail, in the schema's order."""
        kind = document.entities[head].type
        texts = self.settings.relation_texts
        return [
            relation.id
            for relation in self.settings.schema.relations
            if texts[relation.id].takes_head(kind)
            if self._tails(document, head, relation.id)
        ]

    def _tails(self, document: Document, head: int, relation: str) -> list[int]:
        """The tails that the relation's text allows and the candidate pairs have, in the document's order."""
        takes = self.settings.relation_texts[relation].takes_tail
        paired = None if document.candidates is None else {other for one, other in document.candidates if one == head}
        return [
            tail
            for tail, entity in enumerate(document.entities)
            if tail != head and takes(entity.type) and (paired is None or tail in paired)
        ]

    def _relation_question(self, context: DocumentContext, head: int) -> Question[LabelReading]:
        labels = [escape(self._label(one)) for one in self._relations(context.document, head)]
        return self._question(context, labels, head, None)

    def _tail_question(self, context: DocumentContext, head: int, relation: str) -> Question[LabelReading]:
        labels = [context.names[tail] for tail in self._tails(context.document, head, relation)]
        return self._question(context, labels, head, escape(self._label(relation)))

    def _question(
        self, context: DocumentContext, labels: list[str], head: int, relation: str | None
    ) -> Question[LabelReading]:
        names = context.names
        request = context.request(STEP, None, labels=self._all_labels, names=names, head=names[head], relation=relation)
        most = min(self.settings.max_top_logprobs, number_of(self.settings, "logprobs"))
        return self.first_token(STEP, request, (*labels, NONE), most)

    @cached_property
    def _all_labels(self) -> dict[str, str]:
        """Relation id -> how prompts and answers name the relation, escaped."""
        return {relation.id: escape(self._label(relation.id)) for relation in self.settings.schema.relations}

    def _likeliest(self, document: Document, heads: list[int], readings: list[LabelReading]) -> Iterator[HeadRelation]:
        most = number_of(self.settings, "relations")
        for head, reading in zip(heads, readings, strict=True):
            if reading.logprobs is None:
                continue
            pairs = zip(self._relations(document, head), reading.logprobs[:-1], strict=True)
            for relation, logprob in sorted(pairs, key=lambda pair: -pair[1])[:most]:
                yield HeadRelation(head, relation, logprob)

    def _candidates(
        self, document: Document, asked: list[HeadRelation], readings: list[LabelReading]
    ) -> Iterator[Prediction]:
        relation_weight, tail_weight = (number_of(self.settings, f"{one}_weight") / 100 for one in ("relation", "tail"))
        for one, reading in zip(asked, readings, strict=True):
            if reading.logprobs is None:
                continue
            tails = self._tails(document, one.head, one.relation)
            for tail, odds in zip(tails, reading.odds_against_last(), strict=True):
                # Without a weight, odds say nothing, also those that are infinite.
                weighed = relation_weight * one.logprob + (tail_weight * odds if tail_weight else 0.0)
                yield Prediction(Triplet(one.head, one.relation, tail), score=round(logistic(weighed), 5))
