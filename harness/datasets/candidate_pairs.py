"""A corpus' conventions applied to the documents of its files: type names, direction of labels, candidate pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.datasets.corpus import Arguments, CandidateRule, Corpus
from harness.datasets.fields import Fault
from harness.label_source import NO_LABELS
from harness.types import Document, Entity, Label, Triplet

Pair = tuple[int, int]


def conventional(document: Document, corpus: Corpus, rule: CandidateRule) -> Document:
    """The document as the corpus' literature reads it.

    Entity types get the names of ``corpus.type_names``. Where the relations have argument types, labels point from
    head type to tail type: some public conversions write the argument that comes first in the text as the head.
    ``candidates`` follow the rule; of a document without gold, ``labelled`` is ``typed``. Raises Fault where a label
    joins other types, as no prediction could find it.
    """
    if corpus.type_names:
        document = replace(document, entities=tuple(_renamed(one, corpus) for one in document.entities))
    if corpus.arguments is None or rule == "all":
        return document
    arguments = corpus.arguments
    labels = tuple(
        Label(Triplet(head, label.triplet.relation, tail), label.evidence)
        for place, label in enumerate(document.labels)
        for head, tail in [_directed(document, label.triplet.head, label.triplet.tail, arguments, "labels", place)]
    )
    related = {(label.triplet.head, label.triplet.tail) for label in labels}
    directed = (_directed(document, *pair, arguments, "labels") for pair in document.unrelated)
    unrelated = tuple(pair for pair in dict.fromkeys(directed) if pair not in related)
    is_labelled = rule == "labelled" and document.label_source != NO_LABELS
    candidates = tuple(sorted({*related, *unrelated} if is_labelled else _typed(document, arguments)))
    return replace(document, labels=labels, unrelated=unrelated, candidates=candidates)


def _typed(document: Document, arguments: Arguments) -> Iterator[Pair]:
    for head, one in enumerate(document.entities):
        for tail, other in enumerate(document.entities):
            if head != tail and (one.type, other.type) == (arguments.head, arguments.tail):
                yield head, tail


def _directed(document: Document, head: int, tail: int, arguments: Arguments, *where: str | int) -> Pair:
    wanted = (arguments.head, arguments.tail)
    types = (document.entities[head].type, document.entities[tail].type)
    if types == wanted:
        return head, tail
    if types[::-1] == wanted:
        return tail, head
    raise Fault(f"joins {types[0]} and {types[1]}; the corpus relates {wanted[0]} and {wanted[1]}", *where)


def _renamed(entity: Entity, corpus: Corpus) -> Entity:
    names = corpus.type_names
    return Entity(tuple(replace(one, type=names.get(one.type, one.type)) for one in entity.mentions))
