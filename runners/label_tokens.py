"""The tokens that spell the labels of a question, so that their probabilities are read and none is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.types import TokenLogprob

LLAMA_ALTERNATIVES = 1000
"""So many tokens llama.cpp is asked for where labels are read: beyond them is next to nothing."""
MOST_VLLM_TOKENS = 128
"""What vLLM takes of tokens whose probabilities are asked for."""

_BEFORE = ("", " ", "\n", "(", '"')
_WORD = re.compile(r"[\W_]*([^\W_]*)[\W_]*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LabelTokens:
    """The ``ids`` and ``texts`` of tokens that spell labels; ``whole`` if all of them, and one for each label."""

    ids: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()
    whole: bool = False


NO_LABELS = LabelTokens()


def label_tokens(encode: Callable[[str], Sequence[int]], labels: Sequence[str], most: int | None = None) -> LabelTokens:
    """The tokens that spell one of the labels; ``most`` at most. ``encode`` gives the tokens of a text.

    A label counts as it is, in lower case, in upper case and capitalised, after nothing, a space, a line feed, a
    bracket or a quote. ``whole`` needs a token for each label: one of several tokens goes on in ways that are not
    looked at.
    """
    found: dict[int, tuple[str, str]] = {}
    for label in labels:
        for text in spellings(label):
            ids = encode(text)
            if len(ids) == 1:
                found.setdefault(ids[0], (text, label))
    whole = {label for _, label in found.values()} == set(labels) and (most is None or len(found) <= most)
    return LabelTokens(tuple(found)[:most], tuple(text for text, _ in found.values())[:most], whole)


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


def spellings(word: str) -> list[str]:
    """How one token may spell a word."""
    forms = dict.fromkeys((word, word.lower(), word.upper(), word.capitalize()))
    return [before + form for before in _BEFORE for form in forms]


def whole_labels(tokens: Sequence[TokenLogprob], labels: LabelTokens) -> tuple[TokenLogprob, ...]:
    """The tokens, where all of the labels' are among their alternatives with the note that no other spells one."""
    texts = set(labels.texts)
    return tuple(
        replace(token, unlisted=0.0) if labels.whole and texts <= {word for word, _ in token.top} else token
        for token in tokens
    )


def _probability(logprob: float) -> float:
    return min(1.0, math.exp(logprob)) if logprob < math.inf else 1.0
