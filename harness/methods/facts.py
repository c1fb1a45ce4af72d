"""Facts of a document in one to three steps: the paradigms that AutoRE compares (Xue et al., 2024).

| Method            | Questions about a document                                                               |
|-------------------|------------------------------------------------------------------------------------------|
| `facts`           | all facts                                                                                |
| `relations-facts` | its relations; all facts of these relations                                              |
| `relation-facts`  | its relations; the facts of each relation                                                |
| `rhf`             | its relations; the head entities of each relation; the facts of each relation and head   |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import NamedTuple

from harness.alignment.lists import align_entities, align_relations
from harness.answers.items import ListForm
from harness.answers.reader import Parsed
from harness.escaping import escape, format_triplet
from harness.methods.base import Answers, Demonstration, PromptedMethod, Question
from harness.methods.context import DocumentContext
from harness.methods.settings import GIVEN, MethodSettings
from harness.types import Ask, Document, Extraction, RawTriplet, Reject

RELATIONS, HEADS, FACTS = "relations", "heads", "facts"


def facts(settings: MethodSettings) -> FactSteps:
    """Everything at once."""
    return FactSteps(settings, (FACTS,), apart=False)


def relations_facts(settings: MethodSettings) -> FactSteps:
    """The relations, then all their facts at once."""
    return FactSteps(settings, (RELATIONS, FACTS), apart=False)


def relation_facts(settings: MethodSettings) -> FactSteps:
    """The relations, then the facts of each."""
    return FactSteps(settings, (RELATIONS, FACTS), apart=True)


def rhf(settings: MethodSettings) -> FactSteps:
    """The relations, then the heads of each, then the facts of each head."""
    return FactSteps(settings, (RELATIONS, HEADS, FACTS), apart=True)


class Scope(NamedTuple):
    """What a question about facts is about: relation ids, and the index of a head if it is about one."""

    relations: tuple[str, ...]
    head: int | None = None


@dataclass(frozen=True)
class FactSteps(PromptedMethod):
    """The ``steps`` in their order, the facts of every relation ``apart`` or of all together.

    A step asks about what the one before it found; what it does not find is not asked about. The option
    ``given`` (``relations`` or ``heads``) takes the gold relations, or relations and heads, instead of asking.
    The details of an extraction hold what the steps before the facts ``found``: relation ids, and pairs of a
    relation id and the index of a head.

    Only a question without given relations leaves the relation open: at level ``format`` it is free text there,
    and one of the relations asked about in all others.
    """

    steps: tuple[str, ...]
    apart: bool

    def __post_init__(self) -> None:
        self.settings.check_open_schema()

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        if len(document.entities) < 2:
            return Extraction(predictions=())
        context, answers = self.context(document), Answers(ask)
        found: dict[str, object] = {}
        relations = self._gold_relations(document)
        if RELATIONS in self._asked:
            relations = await self._find_relations(context, answers)
            found[RELATIONS] = list(relations)
        heads = {relation: _gold_heads(document, relation) for relation in relations}
        if HEADS in self._asked:
            heads = await self._find_heads(context, relations, answers)
            found[HEADS] = [[relation, head] for relation in relations for head in heads[relation]]
        scopes = self._scopes(relations, heads)
        stated: list[RawTriplet] = []
        parsed = await answers.to_each(scopes, partial(self._facts_question, context))
        await self.schema.mapper.learn(triplet.relation for answer in parsed for triplet in answer.entries)
        for answer, scope in zip(parsed, scopes, strict=True):
            within, rejects = _within(answer.entries, scope, context)
            stated += within
            answers.add(rejects, {})
        predictions = await self.predictions(stated, context, answers)
        return answers.extraction(predictions, {"found": found} if found else {})

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """Every question that the labels lead to; lists and facts up to ``max_triplets``, what is given as it is."""
        if len(document.entities) < 2:
            return []
        context, most = self.context(document), self.settings.max_triplets
        relations = self._gold_relations(document)
        if RELATIONS in self._asked:
            relations = relations[:most]
        heads = {relation: _gold_heads(document, relation) for relation in relations}
        if HEADS in self._asked:
            heads = {relation: found[:most] for relation, found in heads.items()}
        said = []
        if RELATIONS in self._asked:
            said.append(self.demonstration(self._relations_question(context), self._names(relations)))
        if HEADS in self._asked:
            for relation in relations:
                references = [context.references[head] for head in heads[relation]]
                said.append(self.demonstration(self._heads_question(context, relation), references))
        for scope in self._scopes(relations, heads):
            gold = [label for label in document.labels if label.triplet.relation in scope.relations]
            triplets = [context.write(label) for label in gold if scope.head in (None, label.triplet.head)]
            said.append(self.demonstration(self._facts_question(context, scope), triplets[:most]))
        return said

    @cached_property
    def _asked(self) -> tuple[str, ...]:
        """The steps whose result is not given."""
        given = self.settings.options.get(GIVEN, "none")
        return self.steps[self.steps.index(given) + 1 :] if given in self.steps else self.steps

    @cached_property
    def _relation_names(self) -> frozenset[str]:
        return frozenset((*self.schema.names, *self.settings.schema.by_id))

    def _names(self, relations: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.settings.schema.by_id[relation].name for relation in relations)

    def _gold_relations(self, document: Document) -> tuple[str, ...]:
        """The relations of the labels, in order of appearance; all of the schema where no step asks for any."""
        if RELATIONS not in self.steps:
            return tuple(self.settings.schema.by_id)
        return tuple(dict.fromkeys(label.triplet.relation for label in document.labels))

    def _scopes(self, relations: tuple[str, ...], heads: Mapping[str, Sequence[int]]) -> list[Scope]:
        if not self.apart:
            return [Scope(relations)] if relations else []
        if HEADS in self.steps:
            return [Scope((relation,), head) for relation in relations for head in heads[relation]]
        return [Scope((relation,)) for relation in relations]

    async def _find_relations(self, context: DocumentContext, answers: Answers) -> tuple[str, ...]:
        parsed = await answers.to(self._relations_question(context))
        await self.schema.mapper.learn(parsed.entries)
        aligned = align_relations(parsed.entries, self.schema.mapper)
        answers.add(aligned.rejects, aligned.matches, aligned.decisions)
        return aligned.found

    async def _find_heads(
        self, context: DocumentContext, relations: tuple[str, ...], answers: Answers
    ) -> dict[str, tuple[int, ...]]:
        heads = {}
        listed = await answers.to_each(relations, partial(self._heads_question, context))
        for relation, parsed in zip(relations, listed, strict=True):
            aligned = align_entities(parsed.entries, context.mapper)
            answers.add(aligned.rejects, aligned.matches)
            heads[relation] = aligned.found
        return heads

    def _relations_question(self, context: DocumentContext) -> Question[Parsed[str]]:
        settings, names = self.settings, self.schema.names
        if settings.level == "typed":
            fitting = set(chain.from_iterable(context.fitting(names).values()))
            names = tuple(name for name in names if name in fitting)
        form = ListForm(RELATIONS, names, settings.grammar_level, settings.max_triplets, self._relation_names)
        return self.question(context, RELATIONS, form)

    def _heads_question(self, context: DocumentContext, relation: str) -> Question[Parsed[str]]:
        mentioned = (name for entity in context.document.entities for name in entity.names)
        known = frozenset((*context.references, *mentioned))
        names, references = self._names([relation]), context.references
        if self.settings.level == "typed":
            fitting = {head for (head, _), fits in context.fitting(names).items() if fits}
            references = tuple(one for one, type_ in zip(references, context.types, strict=True) if type_ in fitting)
        form = ListForm(HEADS, references, "closed", self.settings.max_triplets, known)
        asked = {"relations": list(map(escape, names)), "head": None}
        return self.question(context, HEADS, form, asked=asked)

    def _facts_question(self, context: DocumentContext, scope: Scope) -> Question[Parsed[RawTriplet]]:
        names = self._names(scope.relations)
        is_free = self.settings.level == "format" and RELATIONS not in self.steps
        form = self.triplet_form(context, None if is_free else names, scope.head)
        shown_head = None if scope.head is None else context.entities[scope.head]
        return self.question(context, FACTS, form, asked={"relations": list(map(escape, names)), "head": shown_head})


def _gold_heads(document: Document, relation: str) -> tuple[int, ...]:
    heads = (label.triplet.head for label in document.labels if label.triplet.relation == relation)
    return tuple(dict.fromkeys(heads))


def _within(
    triplets: Sequence[RawTriplet], scope: Scope, context: DocumentContext
) -> tuple[list[RawTriplet], list[Reject]]:
    """The triplets that the question was about; the others become rejects, but for those that mean nothing known.

    Reject reasons are ``unasked_relation`` and ``unasked_head``. A head is what its reference maps to, in the
    question as in the answer.
    """
    asked = None if scope.head is None else context.mapper.find(context.references[scope.head])
    stated, rejects = [], []
    for raw in triplets:
        relation, head = context.schema.mapper.find(raw.relation), context.mapper.find(raw.head)
        if relation is not None and relation not in scope.relations:
            rejects.append(Reject("unasked_relation", format_triplet(*raw)))
        elif asked is not None and head is not None and head.entity != asked.entity:
            rejects.append(Reject("unasked_head", format_triplet(*raw)))
        else:
            stated.append(raw)
    return stated, rejects
