"""Answers that go through given candidate pairs in order (LMRC, Tables 11 and 12)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

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

_LINE_END = ")\n"


@dataclass(frozen=True)
class PairForm(TripletListing):
    """For every pair, in order, one to ``max_relations`` lines ``(HEAD | RELATION | TAIL)``; then ``END``.

    ``pairs`` are the references of head and tail as the prompt shows them and ``relations`` the relation
    names, all unescaped. With ``none`` a pair may have the one line ``(HEAD | None | TAIL)`` instead, a triplet
    whose relation is ``NO_RELATION``. At level ``format`` the relation is free text, ``None`` included, and
    ``relations`` is not used. Without pairs, or without a relation to choose, only the empty answer is left.

    ``regex``, ``gbnf`` and ``lark`` admit exactly these answers. ``json_schema`` describes
    ``{"triplets": [{"head": ..., "relation": ..., "tail": ...}]}`` of at least one and at most
    ``max_relations`` items a pair, every item about one of the pairs; it cannot say that each pair has its
    turn, which is counted when the answer is read.

    A regular expression has no rules to share, so it holds a copy of all relations for every pair: the
    number of pairs decides what it costs (``docs/grammar.md``). The other forms name the relations once.

    Raises ValueError for a ``max_relations`` below 1.
    """

    pairs: tuple[tuple[str, str], ...]
    relations: tuple[str, ...]
    level: GrammarLevel
    none: bool
    max_relations: int

    def __post_init__(self) -> None:
        if self.max_relations < 1:
            raise ValueError(f"max_relations must be at least 1, got {self.max_relations}")

    def regex(self) -> str:
        pairs = self._escaped
        relation = relation_regex(self._allowed) if pairs else ""
        answers = []
        for pair in pairs:
            head, tail = map(regex_literal, pair)
            answer = rf"(?:\({head} \| {relation} \| {tail}\)\n){{1,{self.max_relations}}}"
            if self._offers_none:
                answer = rf"(?:\({head} \| {NO_RELATION} \| {tail}\)\n|{answer})"
            answers.append(answer)
        return "".join(answers) + TERMINATOR

    def gbnf(self) -> str:
        return gbnf(self._rules("root", "-", relation_gbnf(self._allowed)))

    def lark(self) -> str:
        return lark(self._rules("start", "_", relation_lark(self._allowed)))

    def json_schema(self) -> dict[str, object]:
        """Items grouped by head, so that the schema grows with the heads and not with the pairs."""
        pairs, relations = self._escaped, self._allowed
        if relations is not None and self._offers_none:
            relations = (*relations, NO_RELATION)
        items = [
            strict_object(
                {
                    "head": {"type": "string", "enum": [head]},
                    "relation": relation_schema(relations),
                    "tail": {"type": "string", "enum": longest_first(tail for other, tail in pairs if other == head)},
                }
            )
            for head in dict.fromkeys(head for head, _ in pairs)
        ]
        triplets: dict[str, object] = {
            "type": "array",
            "items": {"anyOf": items} if items else strict_object({}),
            "minItems": len(pairs),
            "maxItems": len(pairs) * self.max_relations,
        }
        return strict_object({"triplets": triplets})

    @property
    def _allowed(self) -> tuple[str, ...] | None:
        return allowed_relations(self.relations, self.level)

    @cached_property
    def _escaped(self) -> list[tuple[str, str]]:
        """The pairs, escaped; none without a relation to choose."""
        return [] if self._allowed == () else [(escape(head), escape(tail)) for head, tail in self.pairs]

    @property
    def _offers_none(self) -> bool:
        """Whether None needs an alternative of its own: free text holds it already."""
        return self.none and self.level == "closed"

    def _rules(self, root: str, mark: str, relation: str) -> dict[str, str]:
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
        for i, (head, tail) in enumerate(pairs):
            opening, closing = f"HEAD{mark}{heads[head]}", f"TAIL{mark}{tails[tail]}"
            none = f"{opening} NONE {closing} | " if self._offers_none else ""
            rules[f"pair{mark}{i}"] = f"{none}line{mark}{i}{{1,{self.max_relations}}}"
            rules[f"line{mark}{i}"] = f"{opening} RELATION {closing}"
        for head, i in heads.items():
            rules[f"HEAD{mark}{i}"] = quoted_literal(f"({head}{SEPARATOR}")
        for tail, i in tails.items():
            rules[f"TAIL{mark}{i}"] = quoted_literal(tail + _LINE_END)
        if pairs:
            rules["RELATION"] = relation
        if pairs and self._offers_none:
            rules["NONE"] = quoted_literal(NO_RELATION + SEPARATOR)
        return rules


def _numbered(texts: Iterable[str]) -> dict[str, int]:
    """A number for every distinct text, in order of appearance."""
    return {text: number for number, text in enumerate(dict.fromkeys(texts))}
