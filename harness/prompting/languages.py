"""The languages of prompts, and the words that the harness itself puts into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Words:
    """What prompts say that stands in no template.

    - ``none_of_the_above``: the last option of a multiple-choice question.
    - ``example``: what stands between a relation's description and its example.
    """

    none_of_the_above: str
    example: str


WORDS: Mapping[str, Words] = {
    ENGLISH: Words("None of the above.", " Example: "),
    "zh": Words("以上都不对。", "例如："),
}
"""By the language's ISO 639-1 code. A variant has its templates of another language in the folder of that name."""
