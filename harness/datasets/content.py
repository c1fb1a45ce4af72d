"""A document's text as a short hash, by which the same document is recognised in any file."""

from __future__ import annotations

import functools
import hashlib
import unicodedata

from harness.types import Document

HASH_BYTES = 8


def content_hash(document: Document) -> bytes:
    """The first ``HASH_BYTES`` bytes of the SHA-256 of a document's letters, marks and digits, case folded.

    Title, labels, entities, sentence boundaries, tokens, spaces and punctuation do not count: files that tokenise
    a text differently, or write its quotes and dashes differently, hold the same document.
    """
    text = "".join(token for sentence in document.sentences for token in sentence)
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = "".join(filter(_is_content, text)) or text
    return hashlib.sha256(kept.encode()).digest()[:HASH_BYTES]


@functools.cache
def _is_content(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"
