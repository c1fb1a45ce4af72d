"""A relation for every given entity pair: for all pairs (LMRC, Table 11), or for candidates (Table 12)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from harness.alignment.entities import EntityMapper
from harness.alignment.normalise import normalise
from harness.answers.pairs import PairForm
from harness.answers.reader import Parsed
from harness.errors import InputError
from harness.escaping import ASKED_RELATION, NO_RELATION, escape, format_triplet
from harness.methods.base import Answers, Demonstration, PromptedMethod, Question
from harness.methods.candidates import AllPairs, Pair, PairSource
from harness.methods.context import DocumentContext
from harness.methods.settings import PAIRS_PER_REQUEST, MethodSettings
from harness.types import Ask, Document, Extraction, RawTriplet, Reject

STEP = "pairs"

# No pair of Re-DocRED's dev split has more than four.
RELATIONS_PER_PAIR = 4

_NO_RELATION = normalise(NO_RELATION)


def pairwise(settings: MethodSettings) -> PairQuestions:
    """The pairs of ``settings.candidates``, or else all ordered pairs, each with its relations or None."""
    return PairQuestions(settings, settings.candidates or AllPairs(), none=True)


def classify(settings: MethodSettings) -> PairQuestions:
    """The pairs of ``settings.candidates``, each with at least one relation; raises InputError without them."""
    if settings.candidates is None:
        raise InputError(f"prompt {settings.variant.name!r} needs candidate pairs")
    return PairQuestions(settings, settings.candidates, none=False)


@dataclass(frozen=True)
class PairQuestions(PromptedMethod):
    """ceil(pairs / k) requests a document, which differ only after the document's text; none without pairs.

    ``none`` says that None may be answered. The details of an extraction count the ``pairs`` asked about, and of
    these ``none_pairs`` (answered with None) and ``unanswered_pairs`` (answered by no line).
    """

    source: PairSource
    none: bool

    def __post_init__(self) -> None:
        if PAIRS_PER_REQUEST not in self.settings.options:
            raise InputError(f"prompt {self.settings.variant.name!r} needs [numbers.{PAIRS_PER_REQUEST}] in its file")

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        context, answers = self.context(document), Answers(ask)
        parts = self._parts(document)
        parsed = await answers.to_each(parts, partial(self._question, context))
        stated: list[RawTriplet] = []
        none = unanswered = 0
        for answer, part in zip(parsed, parts, strict=True):
            await asyncio.sleep(0)  # Other documents go on while a long one is read.
            pairs = sort_by_pair(answer.entries, _references(context, part), context.mapper)
            stated += pairs.stated
            none += len(pairs.none)
            unanswered += len(pairs.unanswered)
            answers.add(pairs.rejects, {})
        predictions = await self.predictions(stated, context, answers)
        counts = {"pairs": sum(map(len, parts)), "none_pairs": none, "unanswered_pairs": unanswered}
        return answers.extraction(predictions, counts)

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """Every request, answered with the first four gold relations of each pair, or None."""
        context = self.context(document)
        related: defaultdict[Pair, list[RawTriplet]] = defaultdict(list)
        for label in document.labels:
            related[label.triplet.head, label.triplet.tail].append(context.write(label))
        demonstrations = []
        for part in self._parts(document):
            stated: list[RawTriplet] = []
            for pair in part:
                stated += related[pair][:RELATIONS_PER_PAIR]
                if self.none and not related[pair]:
                    stated.append(RawTriplet(context.references[pair[0]], NO_RELATION, context.references[pair[1]]))
            demonstrations.append(self.demonstration(self._question(context, part), stated))
        return demonstrations

    def _parts(self, document: Document) -> list[tuple[Pair, ...]]:
        """The document's pairs, at most k a part."""
        pairs, k = self.source.pairs(document), int(self.settings.options[PAIRS_PER_REQUEST])
        return [pairs[start : start + k] for start in range(0, len(pairs), k)]

    def _question(self, context: DocumentContext, pairs: Sequence[Pair]) -> Question[Parsed[RawTriplet]]:
        references = _references(context, pairs)
        fitting = None
        if self.settings.level == "typed":
            fits, types = context.fitting(self.schema.names), context.types
            fitting = tuple(fits[types[head], types[tail]] for head, tail in pairs)
        level, names = self.settings.grammar_level, self.schema.names
        return self.question(
            context,
            STEP,
            PairForm(
                references, names, level, self.none, RELATIONS_PER_PAIR, fitting, sentences=self.sentences_of(context)
            ),
            pairs=[{"head": escape(head), "tail": escape(tail)} for head, tail in references],
            asked_relation=ASKED_RELATION,
            no_relation=NO_RELATION,
            max_relations=RELATIONS_PER_PAIR,
        )


def _references(context: DocumentContext, pairs: Sequence[Pair]) -> tuple[tuple[str, str], ...]:
    """How prompt, grammar and answer refer to head and tail of each pair, unescaped."""
    return tuple((context.references[head], context.references[tail]) for head, tail in pairs)


@dataclass(frozen=True, slots=True)
class SortedTriplets:
    """The triplets of one answer, sorted: ``stated`` goes on to alignment, in the order written.

    ``none`` are the pairs answered with None and nothing else; ``unanswered`` those that no line answers.
    """

    stated: tuple[RawTriplet, ...]
    rejects: tuple[Reject, ...]
    none: frozenset[Pair]
    unanswered: frozenset[Pair]


def sort_by_pair(
    triplets: Sequence[RawTriplet], asked: Collection[tuple[str, str]], entities: EntityMapper
) -> SortedTriplets:
    """Sort the triplets of an answer about the pairs of references ``asked``.

    A pair may have several relations, and then None beside them says nothing. Reject reasons are
    ``unasked_pair``, ``self_pair``, and ``placeholder_relation`` for a line that gives the question's ``-``
    back (LMRC, Appendix B); references and relations that exist nowhere are left to alignment.

    A pair is what its references map to, in the question as in the answer. Where entities share a name
    and references are names, several pairs of the question are thus one here.
    """
    expected = {pair for reference in asked if (pair := _find(entities, *reference))}
    stated: list[RawTriplet] = []
    rejects: list[Reject] = []
    none: set[Pair] = set()
    related: set[Pair] = set()
    for raw in triplets:
        pair = _find(entities, raw.head, raw.tail)
        if pair is None:
            stated.append(raw)
        elif pair not in expected:
            reason = "self_pair" if pair[0] == pair[1] else "unasked_pair"
            rejects.append(Reject(reason, format_triplet(*raw)))
        elif raw.relation.strip() == ASKED_RELATION:
            rejects.append(Reject("placeholder_relation", format_triplet(*raw)))
        elif normalise(raw.relation) == _NO_RELATION:
            none.add(pair)
        else:
            related.add(pair)
            stated.append(raw)
    return SortedTriplets(
        stated=tuple(stated),
        rejects=tuple(rejects),
        none=frozenset(none - related),
        unanswered=frozenset(expected - none - related),
    )


def _find(entities: EntityMapper, head: str, tail: str) -> Pair | None:
    found_head, found_tail = entities.find(head), entities.find(tail)
    return None if found_head is None or found_tail is None else (found_head.entity, found_tail.entity)
