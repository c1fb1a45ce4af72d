"""Answers that list triplets whose relation fits the types of its entities (``--constrain typed``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from typing import Generic, TypeVar

from harness.answers.notation import (
    gbnf,
    lark,
    longest_first,
    quoted_choice,
    quoted_literal,
    regex_choice,
    strict_object,
)
from harness.answers.triplets import TripletListing
from harness.escaping import SEPARATOR, TERMINATOR, escape

Fitting = Mapping[tuple[str, str], tuple[str, ...]]
"""The names of the relations that the type of a head and the type of a tail allow together; absent pairs allow none."""

_Kind = tuple[str, ...]
"""The types of a reference, sorted: several where entities of several types share a name."""
_Pairs = tuple[tuple[_Kind, _Kind], ...]
"""The kinds of head and tail that a relation fits."""


Key = TypeVar("Key")


@dataclass(frozen=True)
class TypedTripletForm(TripletListing):
    """``TripletForm`` at level ``closed``, with only those relations that ``fitting`` allows for head and tail.

    ``types`` are those of ``entities``, one each. Entities of one reference are one here, with all their types.
    ``sentences`` is as in ``TripletForm``.

    References of the same types share rules, as do relations that fit the same types: the grammar grows with the
    number of references and relations, and with the square of the references of one type, since head and tail differ.
    ``gbnf`` and ``lark`` admit exactly these answers. Without a fixed head, ``regex`` and ``json_schema`` also admit
    a head that equals its tail. The schema enumerates every reference and relation once, under ``$defs``, which
    keeps it within the limits of strict mode.

    Raises ValueError for a negative ``max_triplets``, a ``head`` that is not among the entities, and another number of
    types than entities.
    """

    entities: tuple[str, ...]
    types: tuple[str, ...]
    fitting: Fitting
    max_triplets: int
    head: str | None = None
    sentences: int = 0

    def __post_init__(self) -> None:
        if self.max_triplets < 0:
            raise ValueError(f"max_triplets must not be negative, got {self.max_triplets}")
        if self.head is not None and self.head not in self.entities:
            raise ValueError(f"head must be one of the entities, got {self.head!r}")
        if len(self.types) != len(self.entities):
            raise ValueError(f"{len(self.entities)} entities cannot have {len(self.types)} types")

    def regex(self) -> str:
        if not self._bound:
            return TERMINATOR
        lines = []
        for pairs, relations in self._blocks.items():
            relation = regex_choice(map(escape, relations))
            for head_kinds, tail_kinds in _rectangles(pairs):
                heads = regex_choice(one for kind in head_kinds for one in self._heads[kind])
                tails = regex_choice(one for kind in tail_kinds for one in self._tails[kind])
                lines.append(rf"\({heads} \| {relation} \| {tails}{self.tail_end_regex}")
        return f"(?:{'|'.join(lines)}){{0,{self._bound}}}{TERMINATOR}"

    def gbnf(self) -> str:
        return gbnf(self._rules("root", "-"))

    def lark(self) -> str:
        return lark(self._rules("start", "_"))

    def json_schema(self) -> dict[str, object]:
        heads = _Definitions("heads", self._heads)
        tails = heads if self.head is None else _Definitions("tails", self._tails)
        relations = _Definitions("relations", {pairs: map(escape, names) for pairs, names in self._blocks.items()})
        items = [
            strict_object(
                {
                    "head": heads.any_of(head_kinds),
                    "relation": relations.any_of([pairs]),
                    "tail": tails.any_of(tail_kinds),
                    **{name: {"$ref": f"#/$defs/{name}"} for name in self.evidence_property},
                }
            )
            for pairs in self._blocks
            for head_kinds, tail_kinds in _rectangles(pairs)
        ]
        nothing = strict_object({name: {"type": "string"} for name in ("head", "relation", "tail")})
        triplets = {"type": "array", "items": {"anyOf": items} if items else nothing, "maxItems": self._bound}
        definitions = {**heads.schemas, **relations.schemas, **tails.schemas, **self.evidence_property}
        return {**strict_object({"triplets": triplets}), **({"$defs": definitions} if items else {})}

    @cached_property
    def _kinds(self) -> Mapping[str, _Kind]:
        """The types of every escaped reference."""
        types: defaultdict[str, set[str]] = defaultdict(set)
        for entity, kind in zip(self.entities, self.types, strict=True):
            types[escape(entity)].add(kind)
        return {reference: tuple(sorted(types[reference])) for reference in longest_first(types)}

    @cached_property
    def _heads(self) -> Mapping[_Kind, list[str]]:
        return self._by_kind(self._kinds if self.head is None else [escape(self.head)])

    @cached_property
    def _tails(self) -> Mapping[_Kind, list[str]]:
        """What can be a tail whichever the head: all references, but for the only head."""
        return self._by_kind(one for one in self._kinds if self.head is None or one != escape(self.head))

    def _by_kind(self, references: Iterable[str]) -> dict[_Kind, list[str]]:
        by_kind: defaultdict[_Kind, list[str]] = defaultdict(list)
        for reference in references:
            by_kind[self._kinds[reference]].append(reference)
        return by_kind

    @cached_property
    def _blocks(self) -> Mapping[_Pairs, tuple[str, ...]]:
        """The relations by the kinds that they fit; every relation is in one block."""
        pairs_of: defaultdict[str, list[tuple[_Kind, _Kind]]] = defaultdict(list)
        for head, tail in product(self._heads, self._tails):
            if self.head is not None or head != tail or len(self._tails[tail]) > 1:
                fitting = chain.from_iterable(self.fitting.get(types, ()) for types in product(head, tail))
                for relation in dict.fromkeys(fitting):
                    pairs_of[relation].append((head, tail))
        blocks: defaultdict[_Pairs, list[str]] = defaultdict(list)
        for relation, pairs in pairs_of.items():
            blocks[tuple(pairs)].append(relation)
        return {pairs: tuple(relations) for pairs, relations in blocks.items()}

    @cached_property
    def _bound(self) -> int:
        """The most triplets that an answer can list."""
        return self.max_triplets if self._blocks else 0

    def _rules(self, root: str, mark: str) -> dict[str, str]:
        """The rules of a context-free grammar; ``mark`` stands between the words of a rule's name.

        After a head come tails of other kinds (``rest``), or the other references of its own kind (``own``).
        """
        end, alone = quoted_literal(TERMINATOR), self.head is not None
        if not self._bound:
            return {root: end}
        lines: dict[str, str] = {}
        terminals: dict[str, str] = {}
        tails = {kind: f"TAIL{mark}{number}" for number, kind in enumerate(self._tails)}
        relations = {pairs: f"RELATION{mark}{number}" for number, pairs in enumerate(self._blocks)}
        for number, (kind, heads) in enumerate(self._heads.items()):
            rest, own = [], []
            for pairs, relation in relations.items():
                others = [tails[one] for one in tails if (kind, one) in pairs and (one != kind or alone)]
                rest += [f"{relation} ({' | '.join(others)})"] if others else []
                own += [relation] if (kind, kind) in pairs and not alone else []
            if rest:
                lines[f"rest{mark}{number}"] = " | ".join(rest)
            if own:
                lines[f"own{mark}{number}"] = " | ".join(own)
            for place, head in enumerate(heads if rest or own else []):
                name = f"{number}{mark}{place}"
                follows = [f"rest{mark}{number}"] if rest else []
                if own:
                    follows.append(f"own{mark}{number} OTHER{mark}{name}")
                    terminals[f"OTHER{mark}{name}"] = quoted_choice(
                        (one for one in heads if one != head), self.tail_end
                    )
                lines[f"line{mark}{name}"] = f"HEAD{mark}{name} ({' | '.join(follows)}){self.evidence_rule}"
                terminals[f"HEAD{mark}{name}"] = quoted_literal(f"({head}{SEPARATOR}")
        for kind, tail in tails.items():
            terminals[tail] = quoted_choice(self._tails[kind], self.tail_end)
        for pairs, relation in relations.items():
            terminals[relation] = quoted_choice(map(escape, self._blocks[pairs]), SEPARATOR)
        line = " | ".join(name for name in lines if name.startswith("line"))
        rules = {root: f"line{{0,{self._bound}}} {end}", "line": line, **lines, **terminals}
        return {**rules, **self.evidence_rules(mark)}


def _rectangles(pairs: _Pairs) -> list[tuple[list[_Kind], tuple[_Kind, ...]]]:
    """The kinds of heads and tails whose every combination is one of ``pairs``; together these are all of them."""
    tails_of: defaultdict[_Kind, list[_Kind]] = defaultdict(list)
    for head, tail in pairs:
        tails_of[head].append(tail)
    heads_of: defaultdict[tuple[_Kind, ...], list[_Kind]] = defaultdict(list)
    for head, tails in tails_of.items():
        heads_of[tuple(tails)].append(head)
    return [(heads, tails) for tails, heads in heads_of.items()]


class _Definitions(Generic[Key]):
    """The enumerations of one field of a schema, each under a name of its own."""

    def __init__(self, name: str, texts: Mapping[Key, Iterable[str]]) -> None:
        self._names = {key: f"{name}_{number}" for number, key in enumerate(texts)}
        self.schemas = {
            self._names[key]: {"type": "string", "enum": longest_first(several)} for key, several in texts.items()
        }

    def any_of(self, keys: Iterable[Key]) -> dict[str, object]:
        """The schema of a text of one of these enumerations."""
        references: list[dict[str, object]] = [{"$ref": f"#/$defs/{self._names[key]}"} for key in keys]
        return {"anyOf": references} if len(references) > 1 else references[0]
