"""Plain text to sentences and tokens, by syntok; with the places of mentions in it, if it has any."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.spacing import Spacing, characters

if TYPE_CHECKING:
    from syntok.tokenizer import Token

LONGEST_SENTENCE = 200
"""Tokens; what has more, as a table or a transcript may, is cut after punctuation, or else anywhere."""

Span = tuple[int, int]
"""Characters, or tokens, from the first to the one after the last."""

_BLANK_LINES = re.compile(r"\n\s*\n")
_FULL_STOP = re.compile(r"(?<=[。！？])(?![。！？”’」』）])")


def split_sentences(text: str) -> tuple[tuple[str, ...], ...]:
    """The tokens of every sentence of ``text``; a blank line ends a sentence, too.

    A text written without spaces has its characters as tokens. Nothing but white space is lost: the tokens, put
    together, are the text without its white space.
    """
    from syntok import segmenter
    from syntok.tokenizer import Tokenizer

    # As it is, syntok leaves out hyphens and underscores inside words and writes "n't" as "not".
    tokenizer = Tokenizer(emit_hyphen_or_underscore_sep=True, replace_not_contraction=False)
    is_unspaced = Spacing.of([[text]]).unspaced
    paragraphs = _BLANK_LINES.split(text)
    if is_unspaced:
        paragraphs = [line for paragraph in paragraphs for line in _FULL_STOP.split(paragraph)]
    sentences: list[tuple[str, ...]] = []
    for paragraph in paragraphs:
        for sentence in segmenter.segment(tokenizer.tokenize(paragraph)):
            words = list(_words(sentence))
            if is_unspaced:
                words = [part for word in words for part in characters(word)]
            sentences += _cut(words)
    return tuple(sentences)


def _cut(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The sentence, in pieces where it is longer than ``LONGEST_SENTENCE``."""
    while len(words) > LONGEST_SENTENCE:
        marks = (end for end in range(LONGEST_SENTENCE, LONGEST_SENTENCE // 2, -1) if not words[end - 1][-1].isalnum())
        end = next(marks, LONGEST_SENTENCE)
        yield tuple(words[:end])
        words = words[end:]
    if words:
        yield tuple(words)


def _words(tokens: Iterable[Token]) -> Iterator[str]:
    """The tokens as strings, those put together again that syntok splits inside a name: ``McDonald``."""
    word = ""
    for token in tokens:
        if word and (token.spacing or not (word[-1].islower() and token.value[:1].isupper())):
            yield word
            word = ""
        word += token.value
    if word:
        yield word


def located_sentences(parts: Sequence[tuple[str, int]], mentions: Sequence[Span]) -> list[list[Span]]:
    """The sentences of the parts of a document, each token as the range of its characters in the document.

    ``parts`` are texts with the place where each begins. A token is cut where one of the ``mentions`` begins or ends,
    and two sentences are one where a mention goes over their border.
    """
    cuts = sorted({place for mention in mentions for place in mention})
    sentences: list[list[Span]] = []
    for text, offset in parts:
        position = 0
        for sentence in split_sentences(text):
            spans: list[Span] = []
            for token in sentence:
                start = text.index(token, position)
                position = start + len(token)
                spans += _pieces((offset + start, offset + position), cuts)
            if sentences and any(start < spans[0][0] < end for start, end in mentions):
                sentences[-1] += spans
            else:
                sentences.append(spans)
    return sentences


def place_of(sentences: Sequence[Sequence[Span]], mention: Span) -> tuple[int, Span] | None:
    """The sentence of a mention and its tokens there; None for one without a token."""
    start, end = mention
    for sent_id, sentence in enumerate(sentences):
        if sentence[-1][1] > start:
            inside = [place for place, token in enumerate(sentence) if start <= token[0] and token[1] <= end]
            return (sent_id, (inside[0], inside[-1] + 1)) if inside else None
    return None


def _pieces(token: Span, cuts: Sequence[int]) -> Iterator[Span]:
    start, end = token
    for cut in cuts[bisect_right(cuts, start) :]:
        if cut >= end:
            break
        yield start, cut
        start = cut
    yield start, end
