"""Answers that list triplets by head and relation, so that no triplet can be listed twice and the list must end."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from harness.answers.base import Output
from harness.answers.evidence import EVIDENCE_FIELD, evidence_rules, evidence_schema, written_evidence
from harness.answers.grouped_reading import parse_grouped
from harness.answers.notation import chain, gbnf, lark, quoted_literal, strict_object
from harness.answers.reader import ListingForm, Parsed
from harness.answers.typed import Fitting
from harness.escaping import SEPARATOR, TERMINATOR, escape, format_item
from harness.types import Completion, GrammarForm, RawTriplet

GROUPED_FORMS: tuple[GrammarForm, ...] = ("gbnf", "lark", "json_schema")
"""The notations that have a grammar of grouped answers."""

_Kind = tuple[str, ...]
_BULLET = "- "


@dataclass(frozen=True)
class GroupedForm(ListingForm[RawTriplet]):
    """Lines ``HEAD``, each followed by lines ``- RELATION | TAIL | TAIL ...`` of that head; then ``END``.

    Heads and tails are ``entities``, in the order of the document, relations are those of the schema, in its order:
    ``gbnf`` and ``lark`` admit each at most once in its place, so that the answer ends by itself. ``fitting``, if
    given, leaves only relations that it allows for the ``types`` of head and tail, which are one for each entity.
    Entities of one reference are one here, with all their types. A head that equals its tail is admitted and rejected
    afterwards, because leaving it out takes a copy of all rules for every head. With ``sentences`` the numbers of those
    that state a triplet follow its tail, ``- RELATION | TAIL | 0, 2 | TAIL | -`` (``harness.answers.evidence``); in
    JSON the tail is an object ``{"tail": ..., "evidence": [0, 2]}``.

    ``json_schema`` describes ``{"heads": [{"head": ..., "relations": [{"relation": ..., "tails": [...]}]}]}``. It
    bounds the lists, but cannot forbid repetition or go by types. A regular expression would hold all relations and
    tails once for every head: there is none.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    types: tuple[str, ...] = ()
    fitting: Fitting | None = None
    sentences: int = 0

    def regex(self) -> str:
        raise ValueError("grouped answers have no regular expression")

    def gbnf(self) -> str:
        return gbnf(self._rules("root", "-"))

    def lark(self) -> str:
        return lark(self._rules("start", "_"))

    def json_schema(self) -> dict[str, object]:
        references, names = list(self._kinds), [escape(name) for name in self.relations]
        if not any(self._lines.values()):
            return strict_object({"heads": {"type": "array", "items": {"type": "string"}, "maxItems": 0}})
        tail: dict[str, object] = {"$ref": "#/$defs/entity"}
        if self.sentences:
            tail = strict_object({"tail": tail, EVIDENCE_FIELD: evidence_schema(self.sentences)})
        tails = {"type": "array", "items": tail, "minItems": 1, "maxItems": len(references)}
        relation = strict_object({"relation": {"type": "string", "enum": names}, "tails": tails})
        relations = {"type": "array", "items": relation, "minItems": 1, "maxItems": len(names)}
        head = strict_object({"head": {"$ref": "#/$defs/entity"}, "relations": relations})
        heads = {"type": "array", "items": head, "maxItems": len(references)}
        return {
            **strict_object({"heads": heads}),
            "$defs": {"entity": {"type": "string", "enum": references}},
        }

    def write(self, content: Iterable[RawTriplet], output: Output) -> str:
        """The answer that lists the triplets of ``content``, whose fields are unescaped and of the document."""
        groups = self._grouped(content)
        if output == "json":
            heads = [
                {
                    "head": escape(head),
                    "relations": [
                        {"relation": escape(relation), "tails": list(map(self._item, tails))}
                        for relation, tails in relations.items()
                    ],
                }
                for head, relations in groups.items()
            ]
            return json.dumps({"heads": heads}, ensure_ascii=False)
        lines = []
        for head, relations in groups.items():
            lines.append(format_item(head))
            lines += [
                _BULLET + SEPARATOR.join([escape(one), *map(self._field, tails)]) for one, tails in relations.items()
            ]
        return "\n".join([*lines, TERMINATOR])

    def read(self, completion: Completion) -> Parsed[RawTriplet]:
        known, relations, truncated = frozenset(self.entities), frozenset(self.relations), completion.may_be_cut
        return parse_grouped(completion.text, known, relations, truncated=truncated, sentences=self.sentences)

    def _field(self, triplet: RawTriplet) -> str:
        tail = escape(triplet.tail)
        return f"{tail}{SEPARATOR}{written_evidence(triplet.evidence)}" if self.sentences else tail

    def _item(self, triplet: RawTriplet) -> object:
        tail = escape(triplet.tail)
        return {"tail": tail, EVIDENCE_FIELD: sorted(set(triplet.evidence))} if self.sentences else tail

    def _grouped(self, content: Iterable[RawTriplet]) -> dict[str, dict[str, list[RawTriplet]]]:
        """The triplets by head and relation, all in the order of the grammar."""
        entities = {one: place for place, one in reversed(list(enumerate(self.entities)))}
        relations = {one: place for place, one in reversed(list(enumerate(self.relations)))}
        groups: dict[str, dict[str, list[RawTriplet]]] = {}
        for one in sorted(
            dict.fromkeys(content), key=lambda one: (entities[one[0]], relations[one[1]], entities[one[2]])
        ):
            groups.setdefault(one.head, {}).setdefault(one.relation, []).append(one)
        return groups

    @cached_property
    def _kinds(self) -> Mapping[str, _Kind]:
        """The types of every escaped reference, in the order of the document; all the same without ``fitting``."""
        types: defaultdict[str, set[str]] = defaultdict(set)
        for place, entity in enumerate(self.entities):
            types[escape(entity)].add(self.types[place] if self.fitting is not None else "")
        return {reference: tuple(sorted(several)) for reference, several in types.items()}

    @cached_property
    def _lines(self) -> Mapping[_Kind, list[tuple[str, tuple[str, ...]]]]:
        """The relations that a head of each kind can have, each with the references that can be its tails."""
        lines = {}
        for kind in dict.fromkeys(self._kinds.values()):
            heads = [reference for reference, other in self._kinds.items() if other == kind]
            fits = {tail: self._allowed(kind, tail) for tail in dict.fromkeys(self._kinds.values())}
            others = {one: fits[tail] for one, tail in self._kinds.items() if [one] != heads}
            lines[kind] = [
                (relation, tails)
                for relation in dict.fromkeys(self.relations)
                if (tails := tuple(one for one, fitting in others.items() if relation in fitting))
            ]
        return lines

    def _allowed(self, head: _Kind, tail: _Kind) -> frozenset[str]:
        if self.fitting is None:
            return frozenset(self.relations)
        return frozenset(one for types in product(head, tail) for one in self.fitting.get(types, ()))

    def _rules(self, root: str, mark: str) -> dict[str, str]:
        """The rules of a context-free grammar; ``mark`` stands between the words of a rule's name.

        What may follow in an ordered list is a chain of rules: the first item and, optionally, the rule of those after
        it, or that rule alone. A reference is one of two terminals, which end in what shows where it ends.
        """
        end = quoted_literal(TERMINATOR)
        kinds = {kind: f"relations{mark}{number}" for number, (kind, lines) in enumerate(self._lines.items()) if lines}
        if not kinds:
            return {root: end}
        heads = {one: f"group{mark}{number}" for number, one in enumerate(self._kinds) if self._kinds[one] in kinds}
        # As in pairs.py: under `answer` all is one token to llguidance's reading of GBNF, which never goes back.
        rules = {root: "answer", "answer": " ".join([*(f"{rule}?" for rule in heads.values()), end])}
        terminals: dict[str, str] = {}
        for head, rule in heads.items():
            terminal = rule.replace("group", "HEAD")
            terminals[terminal] = quoted_literal((format_item(head) if head == TERMINATOR else head) + "\n")
            rules[rule] = f"{terminal} {kinds[self._kinds[head]]}{mark}0"
        sets: dict[tuple[str, ...], str] = {}
        names = {name: f"RELATION{mark}{number}" for number, name in enumerate(dict.fromkeys(self.relations))}
        for kind, rule in kinds.items():
            items = []
            for name, tails in self._lines[kind]:
                items.append(f"{names[name]} {sets.setdefault(tails, f'tails{mark}{len(sets)}')}{mark}0")
                terminals[names[name]] = quoted_literal(f"{_BULLET}{escape(name)}{SEPARATOR}")
            rules |= chain(rule, mark, [(item, item) for item in items])
        places = {reference: number for number, reference in enumerate(self._kinds)}
        for tails, rule in sets.items():
            rules |= chain(rule, mark, [self._tail_rules(mark, places[one]) for one in tails])
            for one in tails:
                terminals[f"MORE{mark}{places[one]}"] = quoted_literal(one + SEPARATOR)
                if not self.sentences:
                    terminals[f"LAST{mark}{places[one]}"] = quoted_literal(one + "\n")
        if self.sentences:
            rules |= evidence_rules(f"more{mark}evidence", mark, self.sentences, SEPARATOR, "MORE")
            rules |= evidence_rules(f"last{mark}evidence", mark, self.sentences, "\n", "LINE")
        return {**rules, **terminals}

    def _tail_rules(self, mark: str, place: int) -> tuple[str, str]:
        """What calls a tail before others, and as the last of its line."""
        if not self.sentences:
            return f"MORE{mark}{place}", f"LAST{mark}{place}"
        return f"MORE{mark}{place} more{mark}evidence", f"MORE{mark}{place} last{mark}evidence"
