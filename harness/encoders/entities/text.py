"""A document as arrays for the entity finder: subwords, words with their shapes, and gold tags and clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.encoders.entities.config import EntityConfig
from harness.encoders.entities.surface import pair_features
from harness.encoders.text import EncodedDocument, word_starts
from harness.spacing import Spacing
from harness.types import Document, Entity, Mention

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    Integers = NDArray[np.int64]

SHAPES = 16
"""Classes of ``word_shape``."""
OUTSIDE = 0
"""The tag of a word outside all mentions. Type number t has four more: begin, inside, end, single from 4t + 1 on."""


class Span(NamedTuple):
    """A mention by its place: words ``[start, end)`` of sentence ``sent_id``, and its type."""

    sent_id: int
    start: int
    end: int
    type: str


@dataclass(frozen=True)
class EncodedText:
    """What the entity finder reads of a document with n words, m mentions and p pairs of mentions.

    - ``read``: its subwords, as an encoded document without entities.
    - ``word`` [l]: the word of each subword; ``shape`` [n]: the class of each word's shape.
    - ``sentence_lengths``: words of each sentence.
    - ``tags`` [n]; ``start``, ``end`` [m]: first and last word of each mention; ``type`` [m]: the number of its type.
    - ``pairs`` [p, 2]: mentions i > j; ``features`` [p, f]: what their words have in common; ``coreferent`` [p].
    - ``states`` [n, d]: what the encoder makes of each word, where it was read before.
    """

    read: EncodedDocument
    word: Integers
    shape: Integers
    sentence_lengths: tuple[int, ...]
    tags: Integers
    start: Integers
    end: Integers
    type: Integers
    pairs: Integers
    features: NDArray[np.float32]
    coreferent: NDArray[np.bool_]
    states: NDArray[np.float16] | None = None

    @property
    def input_ids(self) -> Integers:
        return self.read.input_ids


@dataclass(frozen=True)
class TextEncoder:
    """Turns documents into arrays for an entity finder."""

    tokenizer: PreTrainedTokenizerBase
    config: EntityConfig

    def encode(self, document: Document, *, with_entities: bool = False) -> EncodedText:
        """Without entities there are no mentions and all tags are outside. Types the finder lacks are left out."""
        import numpy as np

        words = [word for sentence in document.sentences for word in sentence]
        lengths = tuple(len(sentence) for sentence in document.sentences)
        encoding = self.tokenizer(words, is_split_into_words=True, add_special_tokens=False, verbose=False)
        word_of_subword = np.array(encoding.word_ids(), dtype=np.int64)
        sentence_of_word = np.repeat(np.arange(len(lengths)), lengths)
        nothing = np.zeros(0, dtype=np.int64)
        read = EncodedDocument(
            title=document.title,
            input_ids=np.array(encoding["input_ids"], dtype=np.int64),
            sentence=sentence_of_word[word_of_subword],
            word_start=word_starts(word_of_subword),
            mention_position=nothing,
            mention_entity=nothing,
            entity_type=nothing,
            sentence_distance=nothing.reshape(0, 0),
            token_distance=nothing.reshape(0, 0),
            labels=nothing.reshape(0, 3),
            evidence=(),
        )
        spans, owner = gold_spans(document, self.config.entity_types) if with_entities else ([], [])
        tags = self._tags(spans, lengths)
        start, end, kind, pairs, features = self.mention_arrays(document, spans)
        owners = np.array(owner, dtype=np.int64)
        return EncodedText(
            read=read,
            word=word_of_subword,
            shape=np.array(word_shapes(document.sentences), dtype=np.int64),
            sentence_lengths=lengths,
            tags=tags,
            start=start,
            end=end,
            type=kind,
            pairs=pairs,
            features=features,
            coreferent=owners[pairs[:, 0]] == owners[pairs[:, 1]],
        )

    def mention_arrays(
        self, document: Document, spans: Sequence[Span]
    ) -> tuple[Integers, Integers, Integers, Integers, NDArray[np.float32]]:
        """``start``, ``end``, ``type``, ``pairs`` and ``features`` of these mentions of a document."""
        import numpy as np

        begun = np.cumsum([0, *(len(sentence) for sentence in document.sentences)])
        types = {name: number for number, name in enumerate(self.config.entity_types)}
        start = np.array([begun[one.sent_id] + one.start for one in spans], dtype=np.int64)
        end = np.array([begun[one.sent_id] + one.end - 1 for one in spans], dtype=np.int64)
        kind = np.array([types[one.type] for one in spans], dtype=np.int64)
        pairs = np.argwhere(np.tri(len(spans), k=-1, dtype=bool)).reshape(-1, 2)
        return start, end, kind, pairs, pair_features(document, spans, pairs)

    def _tags(self, spans: Iterable[Span], lengths: Sequence[int]) -> Integers:
        """The tag of each word; of mentions that overlap the longest is tagged."""
        import numpy as np

        types = {name: number for number, name in enumerate(self.config.entity_types)}
        begun = np.cumsum([0, *lengths])
        tags = np.zeros(begun[-1], dtype=np.int64)
        for span in sorted(spans, key=lambda one: (one.start - one.end, one)):
            place = slice(begun[span.sent_id] + span.start, begun[span.sent_id] + span.end)
            if tags[place].any() or span.end <= span.start:
                continue
            begin = 4 * types[span.type] + 1
            tags[place] = begin + 1
            tags[place.start], tags[place.stop - 1] = begin, begin + 2
            if span.end - span.start == 1:
                tags[place.start] = begin + 3
        return tags


def gold_spans(document: Document, types: Sequence[str]) -> tuple[list[Span], list[int]]:
    """The mentions of a document that have one of the types, each place once, and the entity of each."""
    spans: dict[Span, int] = {}
    for number, entity in enumerate(document.entities):
        for mention in entity.mentions:
            if mention.type in types:
                spans.setdefault(Span(mention.sent_id, mention.start, mention.end, mention.type), number)
    return list(spans), list(spans.values())


def tagged_spans(tags: Sequence[int], sent_id: int, types: Sequence[str]) -> list[Span]:
    """The mentions that a valid sequence of a sentence's tags says."""
    spans = []
    begun = 0
    for place, tag in enumerate(tags):
        if tag == OUTSIDE:
            continue
        kind, role = divmod(int(tag) - 1, 4)
        if role in (0, 3):
            begun = place
        if role in (2, 3):
            spans.append(Span(sent_id, begun, place + 1, types[kind]))
    return spans


def word_shapes(sentences: Sequence[Sequence[str]]) -> list[int]:
    """The class of every word's shape; that of a sentence's first word says how the text writes it elsewhere."""
    inside = {word for sentence in sentences for word in sentence[1:]}
    shapes = []
    for sentence in sentences:
        for place, word in enumerate(sentence):
            shape = word_shape(word)
            if place == 0 and shape == CAPITALISED:
                shape = 13 if word in inside else 14 if word.lower() in inside else 15
            shapes.append(shape)
    return shapes


CAPITALISED = 10


def word_shape(word: str) -> int:
    """The class of a word's capitals, digits and signs."""
    letters = [one for one in word if one.isalpha()]
    digits = sum(one.isdigit() for one in word)
    if not letters:
        if not digits:
            return 0
        return 1 if digits == len(word) == 4 else 2 if digits == len(word) else 3
    if digits:
        return 4 if letters[0].isupper() else 5
    if all(one.islower() for one in letters):
        return 6
    if all(one.isupper() for one in letters):
        return 7 if len(letters) > 1 else 8
    if letters[0].isupper() and not any(one.isupper() for one in letters[1:]):
        return CAPITALISED
    return 11 if letters[0].isupper() else 12


def entities_of(document: Document, spans: Sequence[Span], members: Iterable[Sequence[int]]) -> tuple[Entity, ...]:
    """The entities of which ``members`` name the mentions; those of one entity are given its commonest type."""
    spacing = Spacing.of(document.sentences)
    entities = []
    for cluster in members:
        kind = Counter(spans[number].type for number in cluster).most_common(1)[0][0]
        places = [spans[number] for number in cluster]
        mentions = (
            Mention(
                name=spacing.join(document.sentences[one.sent_id][one.start : one.end]),
                sent_id=one.sent_id,
                start=one.start,
                end=one.end,
                type=kind,
            )
            for one in places
        )
        entities.append(Entity(tuple(mentions)))
    return tuple(sorted(entities, key=lambda one: (one.mentions[0].sent_id, one.mentions[0].start)))
