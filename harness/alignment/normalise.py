"""The common normal form of names: what still counts as the same string."""

from __future__ import annotations

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=16384)
def normalise(text: str) -> str:
    """NFKC, case-folded, every run of punctuation, underscores and spaces one space, none at the ends.

    Text with no letter or digit keeps its symbols, so that distinct symbols stay distinct.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Marks are letters' parts: without them, Indic vowels would be lost.
    letters = (c if c.isalnum() or unicodedata.category(c).startswith("M") else " " for c in folded)
    return " ".join("".join(letters).split()) or " ".join(folded.split())
