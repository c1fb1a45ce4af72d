"""A relation for every given entity pair: for all pairs (LMRC, Table 11), or for candidates (Table 12)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.alignment.triplets import align_triplets
from harness.errors import InputError
from harness.escaping import ASKED_RELATION, NO_RELATION, escape
from harness.grammar import PairGrammar
from harness.methods.asking import ask_all
from harness.methods.candidates import AllPairs, Pair, PairSource
from harness.methods.context import DocumentContext, SchemaContext
from harness.methods.demonstrations import Demonstration, format_answer
from harness.methods.outcome import is_mostly_repetition, status_of, worst_status
from harness.methods.pair_answers import read_pair_answers
from harness.methods.settings import PAIRS_PER_REQUEST, MethodSettings
from harness.parsing import parse_triplets
from harness.types import Ask, Constraint, Document, Extraction, RawTriplet, Request, Step

STEP = "pairs"

# No pair of Re-DocRED's dev split has more than four.
RELATIONS_PER_PAIR = 4


def pairwise(settings: MethodSettings) -> PairQuestions:
    """All ordered pairs, each with its relations or None."""
    return PairQuestions(settings, AllPairs(), none=True)


def classify(settings: MethodSettings) -> PairQuestions:
    """The pairs of ``settings.candidates``, each with at least one relation; raises InputError without them."""
    if settings.candidates is None:
        raise InputError(f"prompt {settings.variant.name!r} needs candidate pairs")
    return PairQuestions(settings, settings.candidates, none=False)


@dataclass(frozen=True)
class PairQuestions:
    """ceil(pairs / k) requests a document, which differ only after the document's text; none without pairs.

    ``none`` says that None may be answered. The details of an extraction count the ``pairs`` asked about, and of
    these ``none_pairs`` (answered with None) and ``unanswered_pairs`` (answered by no line).
    """

    settings: MethodSettings
    source: PairSource
    none: bool

    def __post_init__(self) -> None:
        if PAIRS_PER_REQUEST not in self.settings.options:
            raise InputError(f"prompt {self.settings.variant.name!r} needs [numbers.{PAIRS_PER_REQUEST}] in its file")

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        context = self._context(document)
        parts = self._parts(document)
        requests = [self._request(context, part) for part in parts]
        completions = await ask_all(ask, requests)
        parsed = [parse_triplets(one.text, truncated=one.finish_reason == "length") for one in completions]
        answers = [
            read_pair_answers(one, _references(context, part), context.mapper)
            for one, part in zip(parsed, parts, strict=True)
        ]
        stated = [triplet for answer in answers for triplet in answer.stated]
        await self._schema.mapper.learn(triplet.relation for triplet in stated)
        aligned = align_triplets(stated, context.mapper, self._schema.mapper)
        status, error = worst_status(list(map(status_of, completions, parsed)))
        details: dict[str, object] = {
            **aligned.details,
            "pairs": sum(map(len, parts)),
            "none_pairs": sum(len(answer.none) for answer in answers),
            "unanswered_pairs": sum(len(answer.unanswered) for answer in answers),
        }
        if repeated := sum(one.repeated for one in parsed):
            details |= {"repeated": repeated, "mostly_repetition": any(map(is_mostly_repetition, parsed))}
        return Extraction(
            predictions=aligned.predictions,
            status=status,
            error=error,
            rejects=(*(reject for answer in answers for reject in answer.rejects), *aligned.rejects),
            steps=tuple(Step(STEP, *exchange) for exchange in zip(requests, completions, strict=True)),
            details=details,
        )

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """Every request, answered with the first four gold relations of each pair, or None."""
        context = self._context(document)
        related: defaultdict[Pair, list[RawTriplet]] = defaultdict(list)
        for label in document.labels:
            related[label.triplet.head, label.triplet.tail].append(context.write(label.triplet))
        demonstrations = []
        for part in self._parts(document):
            stated: list[RawTriplet] = []
            for pair in part:
                stated += related[pair][:RELATIONS_PER_PAIR]
                if self.none and not related[pair]:
                    stated.append(RawTriplet(context.references[pair[0]], NO_RELATION, context.references[pair[1]]))
            answer = format_answer(stated, self.settings.output)
            demonstrations.append(Demonstration(STEP, self._request(context, part), answer))
        return demonstrations

    @cached_property
    def _schema(self) -> SchemaContext:
        return SchemaContext(self.settings.schema, self.settings.alignment)

    def _context(self, document: Document) -> DocumentContext:
        return DocumentContext(document, self.settings, self._schema)

    def _parts(self, document: Document) -> list[tuple[Pair, ...]]:
        """The document's pairs, at most k a part."""
        pairs, k = self.source.pairs(document), int(self.settings.options[PAIRS_PER_REQUEST])
        return [pairs[start : start + k] for start in range(0, len(pairs), k)]

    def _request(self, context: DocumentContext, pairs: Sequence[Pair]) -> Request:
        references = _references(context, pairs)
        return context.request(
            STEP,
            self._constraint(references),
            pairs=[{"head": escape(head), "tail": escape(tail)} for head, tail in references],
            asked_relation=ASKED_RELATION,
            no_relation=NO_RELATION,
            max_relations=RELATIONS_PER_PAIR,
        )

    def _constraint(self, references: tuple[tuple[str, str], ...]) -> Constraint | None:
        settings = self.settings
        if settings.level == "none" or settings.form is None:
            return None
        grammar = PairGrammar(references, self._schema.names, settings.level, self.none, RELATIONS_PER_PAIR)
        return grammar.render(settings.form)


def _references(context: DocumentContext, pairs: Sequence[Pair]) -> tuple[tuple[str, str], ...]:
    """How prompt, grammar and answer refer to head and tail of each pair, unescaped."""
    return tuple((context.references[head], context.references[tail]) for head, tail in pairs)
