"""Relation first: every relation is asked about by itself, and answered by its pairs or NONE.

RelPrior (arXiv 2511.08143) takes the relation as a prior for its pairs. Here the document is the beginning that all
questions share, so that a server's prefix cache holds it; what differs is a relation and its description. How probable
a model finds any pair rather than NONE ranks the relations, also those of which it wrote NONE.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, cast

from harness.answers.entity_pairs import EntityPairForm, PairsRead, RawPair
from harness.escaping import escape, format_triplet, unescape
from harness.methods.base import Answers, Demonstration, PromptedMethod, Question
from harness.methods.context import DocumentContext
from harness.methods.questions import LEAST, LOWEST_KEPT, number_of
from harness.types import Ask, Document, Extraction, Prediction, Reject, Triplet

STEP = "pairs"
RELATION_IN = "relation_in"
"""The option that says where the relation stands: in the ``question``, or at the beginning of the ``answer``."""


class Asked(NamedTuple):
    """A relation, by id, and the indices of the entities that its argument types allow as head and as tail."""

    relation: str
    heads: tuple[int, ...]
    tails: tuple[int, ...]
    none: bool = True
    """Whether NONE can be answered."""


@dataclass(frozen=True)
class RelationPairs(PromptedMethod):
    """A question for every relation whose argument types some candidate pair of the document has.

    The argument types, of the relation texts, count where the option ``types`` is shown and at level ``typed``. A
    relation's score is the probability, 0 to 1, that it has any pair; where none can be read it is 1 or 0 by what was
    written. The pairs of relations from ``least`` / 100 on are predicted, each with the relation's score, times the
    probability of its tokens with ``scores=tokens``. A relation of which NONE was written all the same is asked about
    once more, by a grammar without NONE. The details of an extraction count the ``questions`` and hold the
    ``relations``, each with its score, and the ``candidates``: head, relation id, tail, score.
    """

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        document = self.narrowed(document)
        context, answers = self.context(document), Answers(ask)
        least = max(number_of(self.settings, LEAST) / 100, LOWEST_KEPT)
        asked = self._asked(document)
        readings = await answers.to_each(asked, lambda one: self._question(context, one))
        scores = {one.relation: _score(reading) for one, reading in zip(asked, readings, strict=True)}
        listed = dict(zip((one.relation for one in asked), readings, strict=True))
        again = [
            one._replace(none=False)
            for one in asked
            if self.settings.form and scores[one.relation] >= least and _says_none(listed[one.relation])
        ]
        more = await answers.to_each(again, lambda one: self._question(context, one))
        listed |= dict(zip((one.relation for one in again), more, strict=True))
        candidates = sorted(
            (one for relation in listed for one in self._pairs(context, relation, listed, scores, answers)),
            key=lambda one: -(one.score or 0.0),
        )
        kept = [
            one
            for one in candidates
            if scores[one.triplet.relation] >= least and (one.score or 0.0) >= self.settings.least_score
        ]
        details = {
            "questions": len(asked) + len(again),
            "relations": [[relation, round(score, 5)] for relation, score in scores.items()],
            "candidates": [[*one.triplet, one.score] for one in candidates if (one.score or 0.0) >= LOWEST_KEPT],
        }
        return answers.extraction(kept, details)

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """Every question, with the pairs of the labels that the argument types allow."""
        document = self.narrowed(document)
        context, candidates = self.context(document), set(document.pairs)
        said = []
        for one in self._asked(document):
            gold = [label.triplet for label in document.labels if label.triplet.relation == one.relation]
            pairs = [
                RawPair(self._references(context)[head], self._references(context)[tail])
                for head, _, tail in gold
                if (head, tail) in candidates and head in one.heads and tail in one.tails
            ]
            said.append(self.demonstration(self._question(context, one), pairs))
        return said

    @property
    def _by_types(self) -> bool:
        return self.settings.level == "typed" or self.settings.options.get("types") == "shown"

    @cached_property
    def _names(self) -> Mapping[str, str]:
        return {relation.id: relation.name for relation in self.settings.schema.relations}

    def _asked(self, document: Document) -> list[Asked]:
        """The relations of the schema, in its order, that some pair of the document may have."""
        kinds = [entity.type for entity in document.entities]
        by_types: dict[tuple[str, str], tuple[set[int], set[int]]] = {}
        for head, tail in document.pairs:
            heads, tails = by_types.setdefault((kinds[head], kinds[tail]), (set(), set()))
            heads.add(head)
            tails.add(tail)
        asked = []
        for relation in self._names:
            text = self.settings.relation_texts[relation] if self._by_types else None
            fitting = [ends for types, ends in by_types.items() if text is None or text.type_rank(*types) is not None]
            if fitting:
                of_heads, of_tails = (sorted(set[int]().union(*one)) for one in zip(*fitting, strict=True))
                asked.append(Asked(relation, tuple(of_heads), tuple(of_tails)))
        return asked

    def _references(self, context: DocumentContext) -> Sequence[str]:
        """How questions and answers refer to each entity, unescaped; names are told apart."""
        return context.references if context.by_id else [unescape(name) for name in context.names]

    def _question(self, context: DocumentContext, one: Asked) -> Question[PairsRead]:
        references, name = self._references(context), self._names[one.relation]
        form = EntityPairForm(
            tuple(references[head] for head in one.heads),
            tuple(references[tail] for tail in one.tails),
            name,
            frozenset(references),
            one.none,
            self.settings.options.get(RELATION_IN) == "answer",
        )
        question = self.question(context, STEP, form, names=context.names, relation=escape(name))
        most = min(self.settings.max_top_logprobs, number_of(self.settings, "logprobs"))
        most = max(most, question.request.top_logprobs)
        asked = replace(question, request=replace(question.request, top_logprobs=most))
        return cast("Question[PairsRead]", asked)  # The form reads no less.

    def _pairs(
        self,
        context: DocumentContext,
        relation: str,
        listed: Mapping[str, PairsRead],
        scores: Mapping[str, float],
        answers: Answers,
    ) -> Iterable[Prediction]:
        """The pairs that were listed for a relation, as triplets, each once; of given candidates only these."""
        allowed = None if self.settings.candidates is None else set(context.document.pairs)
        places = {reference: place for place, reference in enumerate(self._references(context))}
        found: dict[Triplet, Prediction] = {}
        for pair in listed[relation].entries:
            matched = [context.mapper.find(one) if one not in places else None for one in pair]
            head, tail = (match.entity if match else places.get(one) for match, one in zip(matched, pair, strict=True))
            is_asked = allowed is None or (head, tail) in allowed
            if head is None or tail is None or head == tail or not is_asked:
                unknown = None in (head, tail)
                reason = "unknown_entity" if unknown else "self_pair" if head == tail else "unasked_pair"
                answers.add([Reject(reason, format_triplet(pair.head, self._names[relation], pair.tail))], {})
                continue
            for match in filter(None, matched):
                answers.add((), {f"{match.how}_entity": match.how != "exact", "ambiguous_entity": match.ambiguous})
            spelt = listed[relation].scores.get(pair, 1.0) if self.settings.scores_tokens else 1.0
            triplet = Triplet(head, relation, tail)
            found.setdefault(triplet, Prediction(triplet, score=round(scores[relation] * spelt, 5)))
        return found.values()


def _score(reading: PairsRead) -> float:
    return float(bool(reading.entries)) if reading.probability is None else reading.probability


def _says_none(reading: PairsRead) -> bool:
    return reading.terminated and not reading.entries
