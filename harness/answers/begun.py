"""Which of several kinds of answer a model begins, and how probable each kind was, from log-probabilities.

An answer is a list or the word NONE: what tells them apart is the first token, or the first few of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.answers.option_probabilities import alternatives_of, token_at
from harness.types import TokenLogprob

LEAST_PROBABILITY = 1e-12
"""A kind of which nothing was returned has at least this, so that no logarithm is infinite."""


def begun_probabilities(
    tokens: Sequence[TokenLogprob], text: str, start: int, kinds: Sequence[Sequence[str]]
) -> tuple[float, ...] | None:
    """The probability, 0 to 1, of each of ``kinds`` of answers at the place ``start`` of ``text``; they sum to 1.

    ``kinds`` are the beginnings that the answers of a kind can have. ``tokens`` are those of the answer. A token that
    fits the beginnings of several kinds is followed where it was generated; otherwise they share its probability.
    Where the answer ends on the way, its last token counts for the kind that is complete there. What fits none counts
    for nothing, as before a grammar. A kind that no token returned fits has no more than the least probable of these,
    and no more than what was not returned.

    None where there is nothing to read: no log-probabilities, or none that fit a kind.
    """
    first = token_at(tokens, text, start)
    if first is None:
        return None
    while first and not tokens[first - 1].token.strip():
        first -= 1
    folded = [tuple(one.casefold() for one in kind) for kind in kinds]
    read, floor = [0.0] * len(kinds), LEAST_PROBABILITY
    before = _before(tokens, text, start, first)
    path, probability = "", 1.0
    for number, token in enumerate(tokens[first:]):
        alternatives = alternatives_of(token)
        if not number:
            missing = 1 - sum(one for _, one in alternatives)
            floor = max(floor, min(missing, *(one for _, one in alternatives)))
        goes_on = False
        for word, own in alternatives:
            piece = _after(word, before if not number else "")
            if piece is None:
                continue
            said = (path + piece).lstrip().casefold()
            fitting = _fitting(said, folded)
            if word == token.token and (len(fitting) > 1 or not said):
                goes_on = True
            elif said:
                for place in fitting:
                    read[place] += probability * own / len(fitting)
        if not goes_on:
            break
        path += _after(token.token, before if not number else "") or ""
        probability *= sum(one for word, one in alternatives if word == token.token)
    else:
        # The answer ended, or was cut, where it may be of several kinds: of one that is complete, if there is one.
        said = path.lstrip().casefold()
        fitting = _fitting(said, folded)
        whole = [place for place in fitting if said.startswith(folded[place])] or fitting
        for place in whole:
            read[place] += probability / len(whole)
    if not sum(read) > 0:
        return None
    total = sum(max(one, floor) for one in read)
    return tuple(max(one, floor) / total for one in read)


def _fitting(said: str, kinds: Sequence[tuple[str, ...]]) -> list[int]:
    """The kinds of which a beginning agrees longest with ``said``: ``nonesuch |`` goes on where ``none`` has ended."""
    agreeing = [
        max((min(len(one), len(said)) for one in kind if said.startswith(one) or one.startswith(said)), default=0)
        for kind in kinds
    ]
    return [place for place, length in enumerate(agreeing) if length and length == max(agreeing)]


def _before(tokens: Sequence[TokenLogprob], text: str, start: int, first: int) -> str:
    """What the token ``first`` holds before the place ``start``; nothing where that is blank."""
    whole = "".join(token.token for token in tokens)
    offset = 0 if whole.startswith(text) else whole.rfind(text)
    begin = sum(len(token.token) for token in tokens[:first])
    return tokens[first].token[: max(0, offset + start - begin)].lstrip()


def _after(word: str, before: str) -> str | None:
    """What a token says after ``before``; None where it does not begin so."""
    if not before:
        return word
    bare = word.lstrip()
    return bare[len(before) :] if bare.startswith(before) else None
