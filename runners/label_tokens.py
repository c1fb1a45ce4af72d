"""The tokens that spell the labels of a question, so that their probabilities are read and none is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.types import TokenLogprob

LLAMA_ALTERNATIVES = 1000
"""So many tokens llama.cpp is asked for where labels are read: beyond them is next to nothing."""
MOST_VLLM_TOKENS = 128
"""What vLLM takes of tokens whose probabilities are asked for."""

_BEFORE = ("", " ", "\n", "(", '"')
_WORD = re.compile(r"[\W_]*([^\W_]*)[\W_]*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LabelTokens:
    """The ``ids`` of tokens that spell labels; ``whole`` if these are all that spell any, and every label has one."""

    ids: tuple[int, ...] = ()
    whole: bool = False


NO_LABELS = LabelTokens()


def label_tokens(tokenizer: Any, labels: Sequence[str], most: int | None = None) -> LabelTokens:
    """The tokens of a vocabulary that spell one of the labels; ``most`` at most.

    A label counts as it is, in lower case, in upper case and capitalised, after nothing, a space, a line feed, a
    bracket or a quote. ``whole`` needs a token for each label: one of several tokens goes on in ways that are not
    looked at.
    """
    found: dict[int, str] = {}
    for label in labels:
        for text in _spellings(label):
            ids = tokenizer.encode(text, add_special_tokens=False)
            if len(ids) == 1:
                found.setdefault(ids[0], label)
    whole = set(found.values()) == set(labels) and (most is None or len(found) <= most)
    return LabelTokens(tuple(found)[:most], whole)


def labels_alone(tokens: Sequence[TokenLogprob], labels: Sequence[str], count: int) -> tuple[TokenLogprob, ...]:
    """Of many alternatives the first ``count`` and those that spell a label, or begin one.

    What a token may have that was not returned is the least that was.
    """
    folded = [label.casefold() for label in labels]

    def is_kept(word: str) -> bool:
        match = _WORD.fullmatch(word)
        return bool(match and match[1] and any(label.startswith(match[1].casefold()) for label in folded))

    kept = []
    for token in tokens:
        rest = [one for one in token.top[count:] if is_kept(one[0])]
        least = min((logprob for _, logprob in token.top), default=0.0)
        kept.append(replace(token, top=(*token.top[:count], *rest), unlisted=_probability(least)))
    return tuple(kept)


def _spellings(word: str) -> list[str]:
    forms = dict.fromkeys((word, word.lower(), word.upper(), word.capitalize()))
    return [before + form for before in _BEFORE for form in forms]


def _probability(logprob: float) -> float:
    return min(1.0, math.exp(logprob)) if logprob < math.inf else 1.0
