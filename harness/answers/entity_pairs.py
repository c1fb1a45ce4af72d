"""Answers that list the pairs of one relation, or say that there is none (method ``relation-pairs``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from harness.alignment.normalise import normalise
from harness.answers.base import Output
from harness.answers.begun import begun_probabilities
from harness.answers.grouped import GROUPED_FORMS
from harness.answers.grouped_reading import fields_of
from harness.answers.json_values import JsonNode
from harness.answers.notation import chain, gbnf, lark, quoted_literal, strict_object
from harness.answers.reader import ORNAMENTS, AnswerReader, ListingForm, Parsed
from harness.answers.triplet_reading import has_separator, says_nothing, without_ornaments
from harness.answers.triplet_scores import Span, spelling_scores
from harness.escaping import SEPARATOR, TERMINATOR, escape, unescape
from harness.types import Completion, GrammarForm, Reject

NO_PAIR = "NONE"
"""The whole answer where the relation holds for no pair."""
PAIR_FORMS: tuple[GrammarForm, ...] = GROUPED_FORMS
"""The notations that have a grammar of these answers."""

_LIST = re.compile(r'"pairs"\s*:\s*\[')
_LOOSE = re.compile(r"\s*(?:->|=>|→|[,;:\t])\s*")


class RawPair(NamedTuple):
    """Head and tail as the model wrote them, unescaped."""

    head: str
    tail: str


@dataclass(frozen=True, slots=True)
class PairsRead(Parsed[RawPair]):
    """``probability``, 0 to 1, is that of any pair rather than none; None where there is nothing to read it from.

    ``scores`` are the probabilities of the tokens that spell each pair, their geometric mean; empty without
    log-probabilities, and in JSON.
    """

    probability: float | None = None
    scores: dict[RawPair, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EntityPairForm(ListingForm[RawPair]):
    """A line ``HEAD | TAIL | TAIL`` for each head, then ``END``; or ``NONE`` alone.

    ``heads`` and ``tails`` are the references, unescaped, of what can stand there. ``gbnf`` and ``lark`` admit each at
    most once in its place, so that no pair can be written twice and the answer ends by itself. ``none`` says whether
    NONE is admitted; without it there is at least one pair. ``begun`` admits a space first, where the answer goes on
    after a colon. A head that equals its tail is admitted and rejected afterwards, because leaving it out takes a copy
    of all rules for every head.

    ``json_schema`` describes ``{"pairs": [{"head": ..., "tails": [...]}]}``, where the empty list says none. It bounds
    the lists, but cannot forbid repetition. There is no regular expression: it would hold all tails once for every
    tail of every head.

    ``relation`` is the name of the relation that the question is about: a triplet that names it is read as its pair.
    ``known`` are all references of the document.
    """

    heads: tuple[str, ...]
    tails: tuple[str, ...]
    relation: str
    known: frozenset[str]
    none: bool = True
    begun: bool = False

    def regex(self) -> str:
        raise ValueError("lists of pairs have no regular expression")

    def gbnf(self) -> str:
        return gbnf(self._rules("root", "-"))

    def lark(self) -> str:
        return lark(self._rules("start", "_"))

    def json_schema(self) -> dict[str, object]:
        if not self._heads:
            return strict_object({"pairs": {"type": "array", "items": {"type": "string"}, "maxItems": 0}})
        tail = {"type": "string", "enum": self._tails}
        tails = {"type": "array", "items": tail, "minItems": 1, "maxItems": len(self._tails)}
        group = strict_object({"head": {"type": "string", "enum": self._heads}, "tails": tails})
        least = {} if self.none else {"minItems": 1}
        return strict_object({"pairs": {"type": "array", "items": group, **least, "maxItems": len(self._heads)}})

    def write(self, content: Iterable[RawPair], output: Output) -> str:
        """The answer that lists the pairs of ``content``, which are unescaped, in the order of the grammar."""
        heads = {one: place for place, one in reversed(list(enumerate(self.heads)))}
        tails = {one: place for place, one in reversed(list(enumerate(self.tails)))}
        groups: dict[str, list[str]] = {}
        for head, tail in sorted(dict.fromkeys(content), key=lambda one: (heads[one[0]], tails[one[1]])):
            groups.setdefault(escape(head), []).append(escape(tail))
        if output == "json":
            pairs = [{"head": head, "tails": several} for head, several in groups.items()]
            return json.dumps({"pairs": pairs}, ensure_ascii=False)
        lines = [SEPARATOR.join((head, *several)) for head, several in groups.items()]
        return "\n".join([*lines, TERMINATOR]) if lines else NO_PAIR

    def read(self, completion: Completion) -> PairsRead:
        text = completion.text
        reader = _PairReader(text, completion.may_be_cut, self.known, normalise(self.relation))
        parsed = reader.read()
        scores = spelling_scores(text, completion.logprobs, _spelt(text)) if completion.logprobs else {}
        return PairsRead(
            *(parsed.entries, parsed.rejects, parsed.repeated, parsed.terminated), self._probability(completion), scores
        )

    def _probability(self, completion: Completion) -> float | None:
        """The probability that the answer lists any pair, at the place where it begins to, or says NONE."""
        text = completion.text
        if listed := _LIST.search(text):
            kinds: tuple[tuple[str, ...], ...] = (("]",), ("{",))
            found = begun_probabilities(completion.logprobs, text, listed.end(), kinds)
        else:
            start = 0
            for line in text.split("\n"):
                if _says_none(line) or fields_of(line.strip())[0] in self._heads:
                    break
                start += len(line) + 1
            else:
                return None
            start += len(text[start:]) - len(text[start:].lstrip())
            kinds = ((NO_PAIR,), tuple(one + SEPARATOR for one in self._heads))
            found = begun_probabilities(completion.logprobs, text, start, kinds)
        return None if found is None else found[1]

    @cached_property
    def _tails(self) -> list[str]:
        return list(dict.fromkeys(map(escape, self.tails)))

    @cached_property
    def _heads(self) -> list[str]:
        """The escaped heads that have another entity as a possible tail."""
        return [one for one in dict.fromkeys(map(escape, self.heads)) if any(tail != one for tail in self._tails)]

    def _rules(self, root: str, mark: str) -> dict[str, str]:
        """The rules of a context-free grammar; ``mark`` stands between the words of a rule's name.

        As in ``grouped``: a list is a chain of rules, and a reference is one of two terminals, which end in what shows
        where it ends.
        """
        if not self._heads:
            return {root: quoted_literal(NO_PAIR)}
        kinds = (["NONE"] if self.none else []) + [f"heads{mark}0 {quoted_literal(TERMINATOR)}"]
        rules = {root: "SPACE? answer" if self.begun else "answer", "answer": " | ".join(kinds)}
        lines = [f"HEAD{mark}{place} tails{mark}0" for place in range(len(self._heads))]
        rules |= chain("heads", mark, [(line, line) for line in lines])
        places = range(len(self._tails))
        rules |= chain("tails", mark, [(f"MORE{mark}{place}", f"LAST{mark}{place}") for place in places])
        rules |= {"NONE": quoted_literal(NO_PAIR)} if self.none else {}
        rules |= {"SPACE": quoted_literal(" ")} if self.begun else {}
        rules |= {f"HEAD{mark}{place}": quoted_literal(one + SEPARATOR) for place, one in enumerate(self._heads)}
        for place, one in enumerate(self._tails):
            rules[f"MORE{mark}{place}"] = quoted_literal(one + SEPARATOR)
            rules[f"LAST{mark}{place}"] = quoted_literal(one + "\n")
        return rules


class _PairReader(AnswerReader[RawPair]):
    """Reads these answers, and what models write for them: brackets, commas, arrows, whole triplets of the relation."""

    def __init__(self, text: str, truncated: bool, known: frozenset[str], relation: str) -> None:
        super().__init__(text, truncated)
        self._known = known
        self._relation = relation

    def is_exact(self, line: str) -> bool:
        return has_separator(line) and unescape(fields_of(line)[0]) in self._known

    def read_line(self, line: str) -> list[RawPair | Reject]:
        if says_nothing(line):
            return []
        if _says_none(line):
            self.terminated = True
            return []
        if self.is_exact(line):
            return self._stated(fields_of(line), line)
        content = _without_brackets(without_ornaments(line).strip())
        fields = fields_of(content)
        if len(fields) == 1:
            parts = [part.strip("\"'` ") for part in _LOOSE.split(content.strip(ORNAMENTS))]
            if len(parts) > 1 and unescape(parts[0]) in self._known and unescape(parts[-1]) in self._known:
                fields = parts
        return self._stated(fields, line) if len(fields) > 1 else [Reject("prose", line)]

    def read_last_line(self, line: str) -> list[RawPair | Reject]:
        entries = self.read_line(line)
        if entries and (self.truncated or any(one.startswith(line) for one in (TERMINATOR, NO_PAIR))):
            entries[-1] = Reject("truncated_line", line)
        return entries

    def read_json(self, root: JsonNode) -> Iterator[RawPair | Reject]:
        pending = [(root, "")]
        while pending:
            node, head = pending.pop()
            texts = [(name, value) for name, value in node.values if isinstance(value, str)]
            source = self.text[node.start : node.end]
            if node.is_object:
                named = dict(texts)
                head = named.get("head", head)
                if "tail" in named:
                    yield from self._stated([head, named["tail"]], source)
            elif texts and head:
                yield from self._stated([head, *(value for _, value in texts)], source)
            elif len(texts) > 1 and not any(has_separator(value) for _, value in texts):
                yield from self._stated([value for _, value in texts], source)
            else:
                for _, value in texts:
                    yield from self.read_line(value.strip())
            if node.loose:
                yield Reject("malformed" if node.closed else "truncated_line", node.loose)
            pending += [(value, head) for _, value in reversed(node.values) if isinstance(value, JsonNode)]

    def _stated(self, fields: list[str], source: str) -> list[RawPair | Reject]:
        names = [unescape(one) for one in fields]
        if not all(fields):
            return [Reject("empty_field", source)]
        if len(names) == 3 and names[1] not in self._known and names[2] in self._known:
            if normalise(names[1]) != self._relation:
                return [Reject("unasked_relation", source)]
            names = [names[0], names[2]]
        return [RawPair(names[0], tail) for tail in names[1:]]


def _says_none(line: str) -> bool:
    return line.strip(ORNAMENTS).casefold() == NO_PAIR.casefold()


def _without_brackets(text: str) -> str:
    bare = text.strip(ORNAMENTS)
    return bare[1:-1].strip() if bare[:1] + bare[-1:] in ("()", "[]") else text


def _spelt(text: str) -> Iterator[tuple[RawPair, list[Span]]]:
    """Each pair of a line with the pieces of ``text`` that spell it, with the character after each."""
    start = 0
    for line in text.split("\n"):
        head, *tails = line.split(SEPARATOR)
        end = start + len(head)
        headed = (start, end + 1)
        for tail in tails:
            begin, end = end + len(SEPARATOR), end + len(SEPARATOR) + len(tail)
            yield RawPair(unescape(head.strip()), unescape(tail)), [headed, (begin, end + 1)]
        start += len(line) + 1
