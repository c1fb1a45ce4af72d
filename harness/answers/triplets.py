"""Answers that list triplets over the entities of one document."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from harness.answers.base import Output
from harness.answers.evidence import (
    EVIDENCE_FIELD,
    evidence_regex,
    evidence_rules,
    evidence_schema,
    written_evidence,
)
from harness.answers.notation import gbnf, lark, longest_first, quoted_literal, regex_choice, strict_object
from harness.answers.reader import ListingForm, Parsed
from harness.answers.relation_field import (
    GrammarLevel,
    allowed_relations,
    relation_gbnf,
    relation_lark,
    relation_regex,
    relation_schema,
)
from harness.answers.triplet_reading import parse_triplets
from harness.escaping import SEPARATOR, TERMINATOR, escape, format_triplet
from harness.types import Completion, RawTriplet

LINE_END = ")\n"
_LINE_END_REGEX = r"\)\n"


class TripletListing(ListingForm[RawTriplet]):
    """An answer form whose answers list triplets, each on its own."""

    def write(self, content: Iterable[RawTriplet], output: Output) -> str:
        """The answer that lists the triplets of ``content``, whose fields are unescaped."""
        if output == "json":
            return json.dumps({"triplets": list(map(self._item, content))}, ensure_ascii=False)
        return "\n".join([*map(self._line, content), TERMINATOR])

    def read(self, completion: Completion) -> Parsed[RawTriplet]:
        return parse_triplets(completion.text, truncated=completion.may_be_cut, sentences=self.sentences)

    @property
    def tail_end(self) -> str:
        """What follows the tail."""
        return SEPARATOR if self.sentences else LINE_END

    @property
    def tail_end_regex(self) -> str:
        """A regular expression of what follows the tail, to the end of the line."""
        return rf" \| {evidence_regex(self.sentences, _LINE_END_REGEX)}" if self.sentences else _LINE_END_REGEX

    def evidence_rules(self, mark: str) -> dict[str, str]:
        """The rules of the field ``evidence`` and the end of its line; none without it."""
        return evidence_rules(EVIDENCE_FIELD, mark, self.sentences, LINE_END) if self.sentences else {}

    @property
    def evidence_rule(self) -> str:
        """What calls these rules after a tail."""
        return f" {EVIDENCE_FIELD}" if self.sentences else ""

    @property
    def evidence_property(self) -> dict[str, object]:
        """The JSON schema of the evidence by its name; empty without it."""
        return {EVIDENCE_FIELD: evidence_schema(self.sentences)} if self.sentences else {}

    def _item(self, triplet: RawTriplet) -> dict[str, object]:
        evidence = {EVIDENCE_FIELD: sorted(set(triplet.evidence))} if self.sentences else {}
        return {**{name: escape(text) for name, text in triplet._asdict().items()}, **evidence}

    def _line(self, triplet: RawTriplet) -> str:
        line = format_triplet(*triplet)
        return f"{line[:-1]}{SEPARATOR}{written_evidence(triplet.evidence)})" if self.sentences else line


@dataclass(frozen=True)
class TripletForm(TripletListing):
    """At most ``max_triplets`` lines ``(HEAD | RELATION | TAIL)``, each with its line feed, then ``END``.

    ``entities`` are the references that the prompt shows (ids or names) and ``relations`` the relation
    names, both unescaped; what is repeated counts once. At level ``closed`` every field is one of them;
    at ``format`` the relation is free text and ``relations`` is not used. Head and tail differ, so with
    fewer than two references, or no relation to choose, only the empty answer is left. ``head``, one of the
    entities, is the only head of every line where the question names it. With ``sentences`` each line ends in the
    numbers of the sentences that state the triplet (``harness.answers.evidence``).

    ``gbnf`` and ``lark`` admit exactly these answers. Without a fixed head, ``regex`` and ``json_schema`` also
    admit a head that equals its tail, which alignment rejects: to leave it out, a regular expression needs a copy of
    all relations for every head (25 times the compile time in xgrammar, 12 s in outlines-core; see
    ``docs/grammar.md``), and a schema more enum values than strict mode allows.

    ``json_schema`` describes ``{"triplets": [{"head": ..., "relation": ..., "tail": ...}]}`` with the
    same escaped fields; at ``format`` a relation is any string, as strict modes share no bound on length.
    xgrammar 0.2 misreads enumerated strings in which a digit or a letter from A to F follows a character
    between U+00A0 and U+00FF (``Béatrice``); the other forms are written so that it does not.

    Raises ValueError for a negative ``max_triplets``, and for a ``head`` that is not among the entities.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    level: GrammarLevel
    max_triplets: int
    head: str | None = None
    sentences: int = 0

    def __post_init__(self) -> None:
        if self.max_triplets < 0:
            raise ValueError(f"max_triplets must not be negative, got {self.max_triplets}")
        if self.head is not None and self.head not in self.entities:
            raise ValueError(f"head must be one of the entities, got {self.head!r}")

    def regex(self) -> str:
        if not self._bound:
            return TERMINATOR
        head, tail = regex_choice(self._heads), regex_choice(self._tails)
        line = rf"\({head} \| {relation_regex(self._allowed)} \| {tail}{self.tail_end_regex}"
        return f"(?:{line}){{0,{self._bound}}}{TERMINATOR}"

    def gbnf(self) -> str:
        if not self._bound:
            return gbnf({"root": quoted_literal(TERMINATOR)})
        pairs = self._pairs()
        rules = {"root": self._answer(), "line": " | ".join(f"line-{i}" for i in range(len(pairs)))}
        for i, (head, tails) in enumerate(pairs):
            rules[f"line-{i}"] = f"{head} relation ({tails}){self.evidence_rule}"
        rules["relation"] = relation_gbnf(self._allowed)
        return gbnf({**rules, **self.evidence_rules("-")})

    def lark(self) -> str:
        if not self._bound:
            return lark({"start": quoted_literal(TERMINATOR)})
        pairs = self._pairs()
        rules = {"start": self._answer(), "line": " | ".join(f"line_{i}" for i in range(len(pairs)))}
        for i, (head, tails) in enumerate(pairs):
            rules[f"line_{i}"] = f"HEAD_{i} RELATION TAIL_{i}{self.evidence_rule}"
            rules[f"HEAD_{i}"] = head
            rules[f"TAIL_{i}"] = tails
        rules["RELATION"] = relation_lark(self._allowed)
        return lark({**rules, **self.evidence_rules("_")})

    def json_schema(self) -> dict[str, object]:
        head: dict[str, object] = {"type": "string"}
        relation: dict[str, object] = {"type": "string"}
        tail: dict[str, object] = {"type": "string"}
        if self._bound:
            head["enum"] = self._heads
            relation = relation_schema(self._allowed)
            tail["enum"] = self._tails
        triplet = strict_object({"head": head, "relation": relation, "tail": tail, **self.evidence_property})
        triplets: dict[str, object] = {"type": "array", "items": triplet, "maxItems": self._bound}
        return strict_object({"triplets": triplets})

    @cached_property
    def _references(self) -> list[str]:
        return longest_first(map(escape, self.entities))

    @cached_property
    def _allowed(self) -> tuple[str, ...] | None:
        return allowed_relations(self.relations, self.level)

    @cached_property
    def _bound(self) -> int:
        """The most triplets that an answer can list."""
        return self.max_triplets if len(self._references) > 1 and self._allowed != () else 0

    @cached_property
    def _heads(self) -> list[str]:
        return self._references if self.head is None else [escape(self.head)]

    @cached_property
    def _tails(self) -> list[str]:
        """What can be a tail whichever the head: all references, but for the only head."""
        heads, references = self._heads, self._references
        return references if len(heads) > 1 else [reference for reference in references if reference not in heads]

    def _answer(self) -> str:
        return f"line{{0,{self._bound}}} {quoted_literal(TERMINATOR)}"

    def _pairs(self) -> list[tuple[str, str]]:
        """For every head, the literal that opens its lines and the choice of all other references."""
        tails = {reference: quoted_literal(reference + self.tail_end) for reference in self._references}
        return [
            (
                quoted_literal(f"({head}{SEPARATOR}"),
                " | ".join(tail for reference, tail in tails.items() if reference != head),
            )
            for head in self._heads
        ]
