"""Plain text to sentences and tokens, by syntok."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.spacing import Spacing, characters

if TYPE_CHECKING:
    from syntok.tokenizer import Token

LONGEST_SENTENCE = 200
"""Tokens; what has more, as a table or a transcript may, is cut after punctuation, or else anywhere."""

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
