"""A document's text as a short hash and a sample of its pieces, by which it is recognised in any file; relations alike.

The hash recognises the same text. The pieces recognise a text that was changed in parts: sentences left out or put in
another order, words added.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Set

from harness.types import Document, Relation

HASH_BYTES = 8
PIECE_BYTES = 4
PIECE_CHARACTERS = 24
SAMPLED = 32
"""One in so many of the pieces is kept; which ones is decided by their hashes, so that two texts keep the same ones."""
FEWEST_PIECES = 4
"""A text with fewer sampled pieces is recognised as a whole only."""
SHARED = 0.5
"""The share of a text's pieces that must be known."""
_PROPERTY = re.compile(r"P\d+")


def content_hash(document: Document) -> bytes:
    """The first ``HASH_BYTES`` bytes of the SHA-256 of a document's letters, marks and digits, case folded.

    Title, labels, entities, sentence boundaries, tokens, spaces and punctuation do not count: files that tokenise
    a text differently, or write its quotes and dashes differently, hold the same document.
    """
    return hashlib.sha256(_content(document).encode()).digest()[:HASH_BYTES]


def content_pieces(document: Document) -> frozenset[int]:
    """Hashes below 2^32 of one in ``SAMPLED`` of the runs of ``PIECE_CHARACTERS`` characters of the same content.

    The hash of a run is a polynomial in its code points, mixed by splitmix64 (Steele et al., 2014), as in FracMinHash
    (Hera et al., 2023): the shares of two samples estimate the shares of the texts.
    """
    import numpy as np

    codes = np.frombuffer(_content(document).encode("utf-32-le", "replace"), dtype="<u4").astype(np.uint64)
    count = len(codes) - PIECE_CHARACTERS + 1
    if count < 1:
        return frozenset()
    hashes = np.zeros(count, np.uint64)
    for place in range(PIECE_CHARACTERS):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + count]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * np.uint64(factor)
    hashes ^= hashes >> np.uint64(31)
    return frozenset((hashes[hashes % np.uint64(SAMPLED) == 0] >> np.uint64(32)).tolist())


@functools.cache
def relation_keys(relation: Relation) -> frozenset[str]:
    """By what a relation is recognised in any corpus: the letters and digits of its name, and a Wikidata property.

    Other ids, such as numbers, mean other relations in other corpora.
    """
    id = [relation.id] if _PROPERTY.fullmatch(relation.id) else []
    return frozenset(map(_letters, (relation.name, *id)))


def is_mostly_in(pieces: Set[int], known: Set[int]) -> bool:
    """Whether at least the share ``SHARED`` of a text's pieces is known; never of a text with few pieces."""
    return len(pieces) >= FEWEST_PIECES and len(pieces & known) >= SHARED * len(pieces)


def _content(document: Document) -> str:
    return _letters("".join(token for sentence in document.sentences for token in sentence))


def _letters(text: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(filter(_is_content, text)) or text


@functools.cache
def _is_content(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"
