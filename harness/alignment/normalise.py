"""The common normal form of names: what still counts as the same string."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_NOT_WORD = re.compile(r"[^\w]+")


@lru_cache(maxsize=16384)
def normalise(text: str) -> str:
    """NFKC, case-folded, every run of punctuation, underscores and spaces one space, none at the ends.

    Text with no letter or digit keeps its symbols, so that distinct symbols stay distinct.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = _NOT_WORD.sub(" ", folded.replace("_", " ")).strip()
    return words or " ".join(folded.split())
