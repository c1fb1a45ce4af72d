"""Plain text to sentences and tokens, by syntok."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syntok.tokenizer import Token

_BLANK_LINES = re.compile(r"\n\s*\n")


def split_sentences(text: str) -> tuple[tuple[str, ...], ...]:
    """The tokens of every sentence of ``text``; a blank line ends a sentence, too.

    Nothing but white space is lost: the tokens, put together, are the text without its white space.
    """
    from syntok import segmenter
    from syntok.tokenizer import Tokenizer

    # As it is, syntok leaves out hyphens and underscores inside words and writes "n't" as "not".
    tokenizer = Tokenizer(emit_hyphen_or_underscore_sep=True, replace_not_contraction=False)
    sentences = (
        tuple(_words(sentence))
        for paragraph in _BLANK_LINES.split(text)
        for sentence in segmenter.segment(tokenizer.tokenize(paragraph))
    )
    return tuple(filter(None, sentences))


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
