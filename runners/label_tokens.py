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

_CASES: tuple[Callable[[str], str], ...] = (str, str.capitalize, str.lower)
_BEFORE = ("", " ", "\n", "(", '"')
_WORD = re.compile(r"[\W_]*([^\W_]*)[\W_]*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LabelTokens:
    """The ``ids`` and ``texts`` of tokens that spell labels; ``whole`` if all of them, and one for each label.

    Of tokens that only begin labels, the texts are not known.
    """

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


def first_tokens(encode: Callable[[str], Sequence[int]], labels: Sequence[str], most: int) -> LabelTokens:
    """The tokens that begin the labels after a space, each as it is, capitalised and in lower case; ``most`` at most.

    ``encode`` gives the tokens of a text, and is asked for ``beginnings`` only. ``whole`` needs a token for each label
    as it is. Where a vocabulary sets the space apart, it is the token after it.
    """
    found: dict[int, None] = {}
    missing = False
    for place in range(len(_CASES)):
        for label in labels:
            spaced, bare = beginnings(label)[place]
            tokens = list(encode(spaced))
            if tokens[1:] == list(encode(bare)):
                tokens = tokens[1:]
            if tokens and (tokens[0] in found or len(found) < most):
                found[tokens[0]] = None
            else:
                missing = missing or not place
    return LabelTokens(tuple(found), whole=not missing)


def beginnings(label: str) -> list[tuple[str, str]]:
    """The first word of a label after a space and alone, in every case that is counted: what its first token is of."""
    word = (label.split() or [""])[0]
    return [(f" {form}", form) for form in (case(word) for case in _CASES)]


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
        replace(token, unlisted=0.0) if labels.whole and texts and texts <= {word for word, _ in token.top} else token
        for token in tokens
    )


def _probability(logprob: float) -> float:
    return min(1.0, math.exp(logprob)) if logprob < math.inf else 1.0
