"""What the words of two mentions have in common: same name, part of it, initials, numbers, how far apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from harness.types import Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.encoders.entities.text import Span

FEATURES = 25
"""Columns of ``pair_features``."""

_ENGLISH = ("the", "a", "an", "of", "and", "in", "on", "for", "'s")
_OTHERS = ("de", "la", "le", "du", "des", "van", "von", "der", "al", "el")
_SMALL = frozenset([*_ENGLISH, *_OTHERS, *"'-.,()"])
"""Words that carry no name."""


class _Words(NamedTuple):
    """A mention's words as they are compared: all of them, lower case, and those that carry its name."""

    text: str
    folded: str
    content: tuple[str, ...]
    initials: str
    letters: str
    numbers: frozenset[str]


def pair_features(document: Document, spans: Sequence[Span], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """The features [p, FEATURES] of the mention pairs [p, 2], each between -1 and 1 or so."""
    import numpy as np

    names = [_words(" ".join(document.sentences[one.sent_id][one.start : one.end])) for one in spans]
    begun = np.cumsum([0, *(len(sentence) for sentence in document.sentences)])
    place = np.array([begun[one.sent_id] + one.start for one in spans], dtype=np.int64)
    order = np.argsort(np.argsort(place, kind="stable")) if len(spans) else place
    features = np.zeros((len(pairs), FEATURES), dtype=np.float32)
    by_name: dict[tuple[str, str], list[float]] = {}
    longer = _longer_names([(frozenset(name.content), one.type) for name, one in zip(names, spans, strict=True)])
    for row, (i, j) in enumerate(pairs.tolist()):
        a, b = sorted((names[i], names[j]))
        of_words = by_name.get((a.text, b.text))
        if of_words is None:
            of_words = by_name[a.text, b.text] = _of_words(a, b)
        sentences = abs(spans[i].sent_id - spans[j].sent_id)
        between = abs(int(order[i]) - int(order[j]))
        later, earlier = (i, j) if place[i] > place[j] else (j, i)
        features[row] = [
            *of_words,
            spans[i].type == spans[j].type,
            _only_choice(names, longer, i, j),
            sentences == 0,
            min(sentences, 8) / 8,
            1 / (1 + between),
            _in_brackets(document, spans[earlier], spans[later]),
            _joined(document, spans[earlier], spans[later]),
        ]
    return features


def _longer_names(names: Sequence[tuple[frozenset[str], str]]) -> list[int]:
    """Of each name how many others of its type there are that have all its words and more."""
    distinct = set(names)
    count = {
        (words, kind): sum(other_kind == kind and words < other for other, other_kind in distinct)
        for words, kind in distinct
    }
    return [count[name] for name in names]


def _only_choice(names: Sequence[_Words], longer: Sequence[int], i: int, j: int) -> float:
    """1 over the names that the shorter of two can stand for, if the longer is one; else 0."""
    one, other = set(names[i].content), set(names[j].content)
    shorter = i if one < other else j if other < one else None
    return 1 / max(longer[shorter], 1) if shorter is not None else 0.0


def _of_words(a: _Words, b: _Words) -> list[float]:
    from rapidfuzz.fuzz import ratio

    one, other = set(a.content), set(b.content)
    common = len(one & other)
    shorter = min(len(one), len(other))
    prefix = next((n for n, (x, y) in enumerate(zip(a.letters, b.letters, strict=False)) if x != y), None)
    prefix = min(len(a.letters), len(b.letters)) if prefix is None else prefix
    longest = max(len(a.letters), len(b.letters), 1)
    return [
        a.text == b.text,
        a.folded == b.folded,
        a.content == b.content,
        bool(a.content and b.content) and a.content[-1] == b.content[-1],
        bool(a.content and b.content) and a.content[0] == b.content[0],
        common / max(len(one | other), 1),
        shorter > 0 and common == shorter,
        common > 0 and common < shorter,
        common == 0,
        _is_initials(a, b),
        ratio(a.folded, b.folded) / 100,
        prefix / longest,
        prefix >= 4,
        bool(a.numbers or b.numbers),
        bool(a.numbers and a.numbers == b.numbers),
        bool(a.numbers & b.numbers) and a.numbers != b.numbers,
        len(one) == len(other) == 1,
        min(abs(len(one) - len(other)), 4) / 4,
    ]


@lru_cache(4096)
def _words(text: str) -> _Words:
    folded = text.casefold()
    content = tuple(word for word in folded.split() if word not in _SMALL) or tuple(folded.split())
    capitals = "".join(word[0] for word in text.split() if word[0].isupper())
    letters = "".join(one for one in folded if one.isalnum())
    numbers = frozenset(word for word in content if any(one.isdigit() for one in word))
    return _Words(text, folded, content, capitals.casefold(), letters, numbers)


def _is_initials(a: _Words, b: _Words) -> bool:
    """Whether one is an acronym of the other: two capital letters or more, which its words begin with."""
    for short, long in ((a, b), (b, a)):
        is_acronym = len(short.content) == 1 and len(short.letters) >= 2 and sum(map(str.isupper, short.text)) >= 2
        if is_acronym and len(long.content) > 1:
            of_content = "".join(word[0] for word in long.content)
            if short.letters in (long.initials, of_content):
                return True
    return False


def _in_brackets(document: Document, earlier: Span, later: Span) -> bool:
    """Whether the later mention stands in brackets right after the earlier one."""
    if earlier.sent_id != later.sent_id:
        return False
    return document.sentences[earlier.sent_id][earlier.end : later.start] == ("(",)


def _joined(document: Document, earlier: Span, later: Span) -> bool:
    """Whether a comma or "and" alone stands between the mentions, as in a list."""
    if earlier.sent_id != later.sent_id:
        return False
    return document.sentences[earlier.sent_id][earlier.end : later.start] in ((",",), ("and",), (",", "and"), ("or",))
