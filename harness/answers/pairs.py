"""Answers that go through given candidate pairs in order (LMRC, Tables 11 and 12)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from harness.answers.evidence import NO_EVIDENCE, no_evidence_rule
from harness.answers.notation import gbnf, lark, longest_first, quoted_literal, regex_literal, strict_object
from harness.answers.relation_field import (
    GrammarLevel,
    allowed_relations,
    relation_gbnf,
    relation_lark,
    relation_regex,
    relation_schema,
)
from harness.answers.triplets import TripletListing
from harness.escaping import NO_RELATION, SEPARATOR, TERMINATOR, escape

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class PairForm(TripletListing):
    """For every pair, in order, one to ``max_relations`` lines ``(HEAD | RELATION | TAIL)``; then ``END``.

    ``pairs`` are the references of head and tail as the prompt shows them and ``relations`` the relation
    names, all unescaped. With ``none`` a pair may have the one line ``(HEAD | None | TAIL)`` instead, a triplet
    whose relation is ``NO_RELATION``. At level ``format`` the relation is free text, ``None`` included, and
    ``relations`` is not used. Without pairs, or without a relation to choose, only the empty answer is left.
    ``fitting``, if given, are at level ``closed`` the relations of every pair; without any it has the line ``None``.
    With ``sentences`` each line ends in the numbers of the sentences that state the triplet, and the line ``None`` in
    ``-`` (``harness.answers.evidence``).

    ``regex``, ``gbnf`` and ``lark`` admit exactly these answers. ``json_schema`` describes
    ``{"triplets": [{"head": ..., "relation": ..., "tail": ...}]}`` of at least one and at most
    ``max_relations`` items a pair, every item about one of the pairs; it cannot say that each pair has its
    turn, which is counted when the answer is read.

    A regular expression has no rules to share, so it holds a copy of all relations for every pair: the
    number of pairs decides what it costs (``docs/grammar.md``). The other forms name the relations once.

    Raises ValueError for a ``max_relations`` below 1, and for another number of ``fitting`` than of pairs.
    """

    pairs: tuple[tuple[str, str], ...]
    relations: tuple[str, ...]
    level: GrammarLevel
    none: bool
    max_relations: int
    fitting: tuple[tuple[str, ...], ...] | None = None
    sentences: int = 0

    def __post_init__(self) -> None:
        if self.max_relations < 1:
            raise ValueError(f"max_relations must be at least 1, got {self.max_relations}")
        if self.fitting is not None and len(self.fitting) != len(self.pairs):
            raise ValueError(f"{len(self.pairs)} pairs cannot have {len(self.fitting)} lists of relations")

    def regex(self) -> str:
        answers = []
        end = rf" \| {NO_EVIDENCE}\)\n" if self.sentences else r"\)\n"
        for pair, relations in zip(self._escaped, self._choices, strict=True):
            head, tail = map(regex_literal, pair)
            none = rf"\({head} \| {NO_RELATION} \| {tail}{end}"
            if relations == ():
                answers.append(none)
                continue
            line = rf"\({head} \| {relation_regex(relations)} \| {tail}{self.tail_end_regex}"
            answer = rf"(?:{line}){{1,{self.max_relations}}}"
            answers.append(rf"(?:{none}|{answer})" if self._offers_none else answer)
        return "".join(answers) + TERMINATOR

    def gbnf(self) -> str:
        return gbnf(self._rules("root", "-", relation_gbnf))

    def lark(self) -> str:
        return lark(self._rules("start", "_", relation_lark))

    def json_schema(self) -> dict[str, object]:
        """Items grouped by head and relations, so that the schema grows with the heads and not with the pairs."""
        tails: defaultdict[tuple[str, tuple[str, ...] | None], list[str]] = defaultdict(list)
        for (head, tail), relations in zip(self._escaped, self._choices, strict=True):
            offered = (*relations, NO_RELATION) if relations == () or (relations and self._offers_none) else relations
            tails[head, offered].append(tail)
        items = [
            strict_object(
                {
                    "head": {"type": "string", "enum": [head]},
                    "relation": relation_schema(relations),
                    "tail": {"type": "string", "enum": longest_first(several)},
                    **self.evidence_property,
                }
            )
            for (head, relations), several in tails.items()
        ]
        triplets: dict[str, object] = {
            "type": "array",
            "items": {"anyOf": items} if items else strict_object({}),
            "minItems": len(self._escaped),
            "maxItems": len(self._escaped) * self.max_relations,
        }
        return strict_object({"triplets": triplets})

    @property
    def _allowed(self) -> tuple[str, ...] | None:
        return allowed_relations(self.relations, self.level)

    @cached_property
    def _escaped(self) -> list[tuple[str, str]]:
        """The pairs, escaped; none without a relation to choose."""
        return [] if self._allowed == () else [(escape(head), escape(tail)) for head, tail in self.pairs]

    @cached_property
    def _choices(self) -> list[tuple[str, ...] | None]:
        """The relations that each pair can have; None for free text."""
        if self.fitting is not None and self.level == "closed":
            return [relations for relations in self.fitting if self._escaped]
        return [self._allowed] * len(self._escaped)

    @property
    def _offers_none(self) -> bool:
        """Whether None needs an alternative of its own: free text holds it already."""
        return self.none and self.level == "closed"

    def _rules(self, root: str, mark: str, relation_rule: Callable[[tuple[str, ...] | None], str]) -> dict[str, str]:
        """The rules of a context-free grammar; ``mark`` stands between the words of a rule's name.

        Heads and tails, which many pairs share, are rules of their own, in capitals as Lark's terminals are.
        """
        pairs = self._escaped
        end = quoted_literal(TERMINATOR)
        # llguidance turns the rules of GBNF that hold no recursion into tokens, whose longest match would take
        # the beginning of the next pair for another line of this one: under `answer` all are one token.
        rules = {root: "answer", "answer": " ".join([*(f"pair{mark}{i}" for i in range(len(pairs))), end])}
        heads = _numbered(head for head, _ in pairs)
        tails = _numbered(tail for _, tail in pairs)
        choices = _numbered(relations for relations in self._choices if relations != ())
        names = {one: f"RELATION{mark}{i}" if self.fitting is not None else "RELATION" for one, i in choices.items()}
        for i, ((head, tail), relations) in enumerate(zip(pairs, self._choices, strict=True)):
            opening, closing = f"HEAD{mark}{heads[head]}", f"TAIL{mark}{tails[tail]}"
            no_relation = f"{opening} NONE {closing}" + (f" {no_evidence_rule(mark)}" if self.sentences else "")
            if relations == ():
                rules[f"pair{mark}{i}"] = no_relation
                continue
            none = f"{no_relation} | " if self._offers_none else ""
            rules[f"pair{mark}{i}"] = f"{none}line{mark}{i}{{1,{self.max_relations}}}"
            rules[f"line{mark}{i}"] = f"{opening} {names[relations]} {closing}{self.evidence_rule}"
        for head, i in heads.items():
            rules[f"HEAD{mark}{i}"] = quoted_literal(f"({head}{SEPARATOR}")
        for tail, i in tails.items():
            rules[f"TAIL{mark}{i}"] = quoted_literal(tail + self.tail_end)
        rules |= {name: relation_rule(relations) for relations, name in names.items()}
        if pairs and (self._offers_none or () in self._choices):
            rules["NONE"] = quoted_literal(NO_RELATION + SEPARATOR)
        return {**rules, **self.evidence_rules(mark)} if pairs else rules


def _numbered(keys: Iterable[Key]) -> dict[Key, int]:
    """A number for every distinct key, in order of appearance."""
    return {key: number for number, key in enumerate(dict.fromkeys(keys))}
