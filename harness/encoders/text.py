"""A document as arrays: marked subwords, where its mentions are, and how far its entities are apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.encoders.config import ModelConfig
from harness.errors import InputError
from harness.types import RELATED, Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    Integers = NDArray[np.int64]

MARKER = "*"
SENTENCE_DISTANCES = 8
TOKEN_DISTANCES = 20
_TYPE_WORDS = {
    "PER": "person",
    "ORG": "organization",
    "LOC": "location",
    "TIME": "time",
    "NUM": "number",
    "MISC": "other",
}


@dataclass(frozen=True)
class EncodedDocument:
    """What a model reads of a document with n entities, m mentions and l subwords (special tokens left out).

    - ``input_ids`` [l]; ``sentence`` [l]: the sentence of each subword; ``word_start`` [l]: whether it is the first
      of its word.
    - ``mention_position`` [m]: the subword that opens the mention (its marker); ``mention_entity`` [m], sorted.
    - ``entity_type`` [n]: 0 for a type without an embedding of its own.
    - ``sentence_distance`` and ``token_distance`` [n, n]: classes of the distance between the nearest mentions,
      see ``distances``.
    - ``labels`` [k, 3]: head, tail and the relation's index, without self-pairs; ``evidence``: sentence ids of
      each label.
    - ``taught`` [p, r]: how far a teacher scores each relation of each pair above NA, NaN for pairs that it does not
      score, and ``attended`` [p, sentences]: where its attention to the pair lies, if there is a teacher for these.
    - ``pairs`` [p, 2]: head and tail of the pairs that the model goes over; None: all h != t, in row-major order.
    - ``candidates`` [c, 2]: those of them that the corpus defines and are scored; None: all.
    - ``annotated`` [r]: whether the labels tell of a relation of the model; None: of all.
    """

    title: str
    input_ids: Integers
    sentence: Integers
    word_start: NDArray[np.bool_]
    mention_position: Integers
    mention_entity: Integers
    entity_type: Integers
    sentence_distance: Integers
    token_distance: Integers
    labels: Integers
    evidence: tuple[tuple[int, ...], ...]
    taught: NDArray[np.float16] | None = None
    attended: NDArray[np.float16] | None = None
    pairs: Integers | None = None
    candidates: Integers | None = None
    annotated: NDArray[np.bool_] | None = None

    @property
    def entity_count(self) -> int:
        return len(self.entity_type)

    @property
    def pair_count(self) -> int:
        """How many pairs the model goes over."""
        return self.entity_count * (self.entity_count - 1) if self.pairs is None else len(self.pairs)

    @property
    def scored_pairs(self) -> int | Integers:
        """The pairs that are scored [c, 2], or the number of entities where they are all in row-major order."""
        pairs = self.candidates if self.pairs is None else self.pairs
        return self.entity_count if pairs is None else pairs

    def of_candidates(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Of ``values`` [p, ...] the rows of the pairs that are scored: what reasons goes over others, too."""
        if self.pairs is not None or self.candidates is None:
            return values
        return values[self.rows(*self.candidates.T)]

    def rows(self, head: Integers, tail: Integers) -> Integers:
        """The places of pairs among those that the model goes over."""
        return pair_rows(self.entity_count if self.pairs is None else self.pairs, head, tail)


@dataclass(frozen=True)
class DocumentEncoder:
    """Turns documents into arrays for the models of one configuration.

    The tokenizer is given tokens, not a text, as in ATLOP's public code: a mention then begins and ends with a subword
    in every script. WordPiece, which all shipped encoders use, marks no spaces; SentencePiece marks every token as a
    word of its own, in training as later.
    """

    tokenizer: PreTrainedTokenizerBase
    config: ModelConfig

    def encode(self, document: Document, *, with_labels: bool = False) -> EncodedDocument:
        """Raises InputError if labels are wanted and one has a relation that the model does not know."""
        import numpy as np

        words, sentence_of_word, opening = self._marked(document)
        encoding = self.tokenizer(words, is_split_into_words=True, add_special_tokens=False, verbose=False)
        word_of_subword = np.array(encoding.word_ids(), dtype=np.int64)
        mentions = [(e, mention) for e, entity in enumerate(document.entities) for mention in entity.mentions]
        # A word can vanish in tokenisation, a marker cannot.
        position = np.searchsorted(word_of_subword, np.array(opening, dtype=np.int64))
        owner = np.array([entity for entity, _ in mentions], dtype=np.int64)
        sentence = np.array([mention.sent_id for _, mention in mentions], dtype=np.int64)
        types = {name: index for index, name in enumerate(self.config.entity_types, 1)}
        sentence_distance, token_distance = distances(owner, sentence, position, len(document.entities))
        labels, evidence = indexed_labels(document, self.config.relations) if with_labels else ([], ())
        candidates = candidate_pairs(document)
        return EncodedDocument(
            title=document.title,
            input_ids=np.array(encoding["input_ids"], dtype=np.int64),
            sentence=np.array(sentence_of_word, dtype=np.int64)[word_of_subword],
            word_start=word_starts(word_of_subword),
            mention_position=position,
            mention_entity=owner,
            entity_type=np.array([types.get(entity.type, 0) for entity in document.entities], dtype=np.int64),
            sentence_distance=sentence_distance,
            token_distance=token_distance,
            labels=np.array(labels, dtype=np.int64).reshape(-1, 3),
            evidence=evidence,
            # Reasoning goes over the matrix of all pairs.
            pairs=candidates if self.config.reasoning == "none" else None,
            candidates=candidates,
            annotated=annotated_relations(document, self.config.relations),
        )

    def _marked(self, document: Document) -> tuple[list[str], list[int], list[int]]:
        """The words with markers, the sentence of each, and the opening marker of each mention in turn."""
        opens: dict[tuple[int, int], list[tuple[int, int, str]]] = {}
        closes: dict[tuple[int, int], int] = {}
        number = 0
        for entity in document.entities:
            for mention in entity.mentions:
                # The longer of two mentions that start together opens first.
                opens.setdefault((mention.sent_id, mention.start), []).append((-mention.end, number, mention.type))
                closes[mention.sent_id, mention.end] = closes.get((mention.sent_id, mention.end), 0) + 1
                number += 1
        words: list[str] = []
        sentence_of_word: list[int] = []
        opening = [0] * number
        for s, sentence in enumerate(document.sentences):
            for w, word in enumerate((*sentence, "")):
                words.extend([MARKER] * closes.get((s, w), 0))
                for _, mention_number, kind in sorted(opens.get((s, w), ())):
                    opening[mention_number] = len(words)
                    words.extend([MARKER, *self._type_words(kind)])
                if w < len(sentence):
                    words.append(word)
            sentence_of_word.extend([s] * (len(words) - len(sentence_of_word)))
        return words, sentence_of_word, opening

    def _type_words(self, kind: str) -> Iterator[str]:
        if self.config.typed_markers:
            yield _TYPE_WORDS.get(kind, kind.lower())


def word_starts(word_of_subword: Integers) -> NDArray[np.bool_]:
    """Whether each subword is the first of its word."""
    import numpy as np

    starts: NDArray[np.bool_] = np.diff(word_of_subword, prepend=-1) != 0
    return starts


def candidate_pairs(document: Document) -> Integers | None:
    """The candidate pairs [p, 2] where the corpus defines them; None where they are all."""
    import numpy as np

    return None if document.candidates is None else np.array(document.candidates, dtype=np.int64).reshape(-1, 2)


def annotated_relations(document: Document, relations: tuple[str, ...]) -> NDArray[np.bool_] | None:
    """Whether the document's labels tell of each of ``relations`` [r]; None where they tell of all.

    Whether a pair is related, which a candidate proposer learns, is told by any corpus of its own relations.
    """
    import numpy as np

    if document.annotated is None or relations == (RELATED,):
        return None
    annotated = set(document.annotated)
    return np.array([relation in annotated for relation in relations], dtype=bool)


def pair_rows(pairs: int | Integers, head: Integers, tail: Integers) -> Integers:
    """The places of pairs in a list of pairs [p, 2], or among all h != t of so many entities in row-major order."""
    import numpy as np

    if isinstance(pairs, int):
        return head * (pairs - 1) + tail - (tail > head)
    place = {(h, t): row for row, (h, t) in enumerate(pairs.tolist())}
    return np.array([place[h, t] for h, t in zip(head.tolist(), tail.tolist(), strict=True)], dtype=np.int64)


def indexed_labels(
    document: Document, relations: tuple[str, ...]
) -> tuple[list[tuple[int, int, int]], tuple[tuple[int, ...], ...]]:
    """A document's labels as head, tail and the relation's index, and their evidence.

    Those of self-pairs and of pairs that are no candidates are left out.

    Raises InputError for a relation that is not among ``relations``.
    """
    indices = {relation: index for index, relation in enumerate(relations)}
    candidates = None if document.candidates is None else set(document.candidates)
    evidence: dict[tuple[int, int, int], tuple[int, ...]] = {}
    for label in document.labels:
        head, relation, tail = label.triplet
        index = 0 if relations == (RELATED,) else indices.get(relation)
        if index is None:
            raise InputError(
                f"document {document.title!r} has a label of relation {relation!r}, which is not among the "
                f"{len(relations)} relations of the model"
            )
        if head != tail and (candidates is None or (head, tail) in candidates):
            evidence[head, tail, index] = (*evidence.get((head, tail, index), ()), *label.evidence)
    return list(evidence), tuple(evidence.values())


def distances(owner: Integers, sentence: Integers, position: Integers, entities: int) -> tuple[Integers, Integers]:
    """Classes of the distances between entities, each [entities, entities], from their mentions' places.

    In sentences: the least difference, the last class holding all larger ones. In tokens: the power of two
    below the least difference of opening markers, apart for heads before and after their tails.
    """
    import numpy as np

    pairs = (owner[:, None], owner[None, :])
    in_sentences = np.full((entities, entities), SENTENCE_DISTANCES - 1, dtype=np.int64)
    np.minimum.at(in_sentences, pairs, np.abs(sentence[:, None] - sentence[None, :]))
    difference = position[None, :] - position[:, None]
    # The lowest bit holds the direction, so that the least value is the nearest mention's.
    nearest = np.full((entities, entities), np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(nearest, pairs, 2 * np.abs(difference) + (difference < 0))
    power = np.log2(np.maximum(nearest // 2, 1)).astype(np.int64)
    in_tokens = 2 * np.minimum(power, TOKEN_DISTANCES // 2 - 1) + nearest % 2
    return in_sentences, in_tokens


def windows(length: int, size: int, overlap: int) -> list[int]:
    """Where the windows of ``size`` subwords begin that cover ``length``: evenly, sharing at least ``overlap``."""
    if length <= size:
        return [0]
    steps = -(-(length - size) // (size - overlap))
    return [round(step * (length - size) / steps) for step in range(steps + 1)]
