"""Training documents in which entities have the names of others, so that a relation is learned from the text.

Mention replacement (Dai and Adel, "An Analysis of Simple Data Augmentation for Named Entity Recognition", COLING 2020,
https://aclanthology.org/2020.coling-main.343), here for all mentions of an entity at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from harness.encoders.batching import Batch, Collate
from harness.encoders.text import EncodedDocument
from harness.spacing import Spacing
from harness.types import Document, Entity, Mention

Name = tuple[str, ...]
Role = tuple[str, bool] | None
"""A relation and whether one is its head; None for an entity without labels."""

KEPT_TYPES = frozenset({"LOC"})
"""Of these the name itself says what holds: which country a city is in stands in few documents."""


class Swapping:
    """A collator in whose batches a ``share`` of the entities has other names, drawn anew each time.

    An entity is given the names, mention by mention, of another of its type in ``documents`` that is head or tail of
    one of its relations as well, so that a song is not called as a prize is. Labels, evidence and a
    teacher's scores stay, and so do entities with a mention inside another or around it. The draw comes from torch's
    generator, so that a training that resumes after a kill has the same draws.
    """

    def __init__(
        self,
        collate: Collate,
        encode: Callable[[Document], EncodedDocument],
        documents: Sequence[Document],
        share: float,
    ) -> None:
        self._collate = collate
        self._encode = encode
        self._documents = {document.title: document for document in documents}
        self._share = share
        self._swappable: dict[str, dict[int, list[Role]]] = {}
        self._names: dict[tuple[str, Role], list[tuple[Name, ...]]] = {}
        for document in documents:
            roles_in = roles_of(document)
            self._swappable[document.title] = {index: roles_in[index] for index in swappable(document)}
            for entity, roles in zip(document.entities, roles_in, strict=True):
                names = tuple(document.sentences[one.sent_id][one.start : one.end] for one in entity.mentions)
                for role in roles:
                    self._names.setdefault((entity.type, role), []).append(names)

    def __call__(self, documents: Sequence[EncodedDocument]) -> Batch:
        return self._collate([self._swapped(document) for document in documents])

    def _swapped(self, encoded: EncodedDocument) -> EncodedDocument:
        document = self._documents[encoded.title]
        renamed: dict[int, tuple[Name, ...]] = {}
        for index, roles in self._swappable[encoded.title].items():
            draw, which, place = torch.rand(3).tolist()
            if draw < self._share:
                role = roles[int(which * len(roles))]
                others = self._names[document.entities[index].type, role]
                renamed[index] = others[int(place * len(others))]
        again = self._encode(with_names(document, renamed))
        kept = {name: getattr(encoded, name) for name in ("labels", "evidence", "taught", "attended")}
        return replace(again, **kept)


def roles_of(document: Document) -> list[list[Role]]:
    """What each entity is in the document's labels, in order and each once."""
    roles: list[dict[Role, None]] = [{} for _ in document.entities]
    for label in document.labels:
        roles[label.triplet.head][label.triplet.relation, True] = None
        roles[label.triplet.tail][label.triplet.relation, False] = None
    return [list(several) or [None] for several in roles]


def swappable(document: Document) -> list[int]:
    """The entities that can have other names: none of their words is in a mention of another entity, too."""
    mentions_of_word = Counter(
        (mention.sent_id, word)
        for entity in document.entities
        for mention in entity.mentions
        for word in _words(mention)
    )
    return [
        index
        for index, entity in enumerate(document.entities)
        if entity.type not in KEPT_TYPES
        and all(mentions_of_word[mention.sent_id, word] == 1 for mention in entity.mentions for word in _words(mention))
    ]


def with_names(document: Document, renamed: dict[int, tuple[Name, ...]]) -> Document:
    """The document with the given words for the mentions of some entities, in turn where they are fewer."""
    new_words: dict[tuple[int, int], tuple[int, Name]] = {}
    for index, names in renamed.items():
        for number, mention in enumerate(document.entities[index].mentions):
            new_words[mention.sent_id, mention.start] = (mention.end, names[number % len(names)])
    sentences: list[tuple[str, ...]] = []
    moved: dict[tuple[int, int], int] = {}
    for s, sentence in enumerate(document.sentences):
        words: list[str] = []
        w = 0
        while w < len(sentence):
            moved[s, w] = len(words)
            w_end, new = new_words.get((s, w), (w + 1, sentence[w : w + 1]))
            words.extend(new)
            w = w_end
        moved[s, len(sentence)] = len(words)
        sentences.append(tuple(words))
    spacing = Spacing.of(sentences)
    entities = tuple(
        Entity(tuple(_moved(mention, moved, sentences, spacing) for mention in entity.mentions))
        for entity in document.entities
    )
    return replace(document, sentences=tuple(sentences), entities=entities)


def _moved(mention: Mention, moved: dict[tuple[int, int], int], sentences: Sequence[Name], spacing: Spacing) -> Mention:
    start, end = moved[mention.sent_id, mention.start], moved[mention.sent_id, mention.end]
    return replace(mention, start=start, end=end, name=spacing.join(sentences[mention.sent_id][start:end]))


def _words(mention: Mention) -> range:
    return range(mention.start, mention.end)
