"""How probable the triplets of an answer were to the model that wrote it, from the log-probabilities of its tokens."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

from harness.escaping import SEPARATOR, unescape
from harness.types import RawTriplet, TokenLogprob

Span = tuple[int, int]
Stated = TypeVar("Stated", bound=Hashable)
_BULLET = "- "
_STRING = r'("(?:[^"\\]|\\.)*")'
_OBJECT = re.compile(rf'"head"\s*:\s*{_STRING}\s*,\s*"relation"\s*:\s*{_STRING}\s*,\s*"tail"\s*:\s*{_STRING}')


def triplet_scores(text: str, tokens: Sequence[TokenLogprob]) -> dict[RawTriplet, float]:
    """The geometric mean of the probabilities of the tokens that spell each triplet, from 0 to 1.

    Scored are triplets as grammars spell them: one a line, grouped by head and relation, or objects in JSON. Of equal
    triplets the first counts. Empty where the tokens do not spell ``text``, as where a server splits characters.
    """
    return spelling_scores(text, tokens, _spelt(text))


def spelling_scores(
    text: str, tokens: Sequence[TokenLogprob], spelt: Iterable[tuple[Stated, list[Span]]]
) -> dict[Stated, float]:
    """The geometric mean of the probabilities of the tokens that spell each of ``spelt``, in the pieces of its spans.

    Spans are the first and the last place in ``text``, the last excluded.
    """
    start = "".join(token.token for token in tokens).find(text)
    if start < 0 or not text:
        return {}
    starts = [0, *accumulate(len(token.token) for token in tokens)]
    scores: dict[Stated, float] = {}
    for stated, spans in spelt:
        if stated not in scores:
            places = {
                place
                for first, end in spans
                for place in range(bisect_right(starts, start + first) - 1, bisect_left(starts, start + end))
            }
            spelling = [tokens[place] for place in places if place < len(tokens) and tokens[place].token]
            if spelling:
                scores[stated] = math.exp(sum(token.logprob for token in spelling) / len(spelling))
    return scores


def _spelt(text: str) -> Iterator[tuple[RawTriplet, list[Span]]]:
    """Each triplet with the pieces of ``text`` that spell it, with the character after each: ``E1`` is not ``E12``."""
    for found in _OBJECT.finditer(text):
        head, relation, tail = (_of_json(found[group]) for group in (1, 2, 3))
        yield RawTriplet(head, relation, tail), [found.span()]
    start, head, headed = 0, "", (0, 0)
    for line in text.split("\n"):
        fields = line.split(SEPARATOR)
        if line.startswith("(") and line.endswith(")") and len(fields) > 2:
            stated = SEPARATOR.join(fields[:3])
            first, relation, tail = stated[1:].removesuffix(")" if len(fields) == 3 else "").split(SEPARATOR)
            yield RawTriplet(*map(unescape, (first, relation, tail))), [(start, start + len(stated) + 1)]
        elif line.startswith(_BULLET) and len(fields) > 1:
            end = start + len(fields[0])
            related = (start, end)
            for tail in fields[1:]:
                begin, end = end, end + len(SEPARATOR) + len(tail)
                triplet = RawTriplet(head, unescape(fields[0].removeprefix(_BULLET)), unescape(tail))
                yield triplet, [headed, related, (begin + 1, end + 1)]
        else:
            head, headed = unescape(line), (start, start + len(line) + 1)
        start += len(line) + 1


def _of_json(text: str) -> str:
    try:
        return unescape(json.loads(text, strict=False))
    except ValueError:
        return text
