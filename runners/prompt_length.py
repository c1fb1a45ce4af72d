"""Bounds on the tokens of a prompt without its tokenizer: what is too long in any, and what a server cut silently."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.types import Message, Usage

# Letters and digits are never in one token with those of another word, and seldom more than 16 of them in one token.
# Measured on all packaged prompts: 1.45 to 1.75 tokens for each (GPT-2's, Qwen's and BERT's tokenizers).
_WORD = re.compile(r"[^\W\d_]{1,16}|\d+")
# Runs of blanks or dashes are one token, however long.
_RUN = re.compile(r"\s+|(\W)\1+")

# llama.cpp's default of 512 tokens, cut to a half, is the shortest context in use.
SHORTEST_CUT = 256
# No tokenizer reads so many characters a token over a whole prompt: English has about 4.5.
MOST_CHARACTERS_PER_TOKEN = 16


def fewest_tokens(messages: Iterable[Message]) -> int:
    """A number of tokens that the messages have at least, whatever the tokenizer."""
    return sum(len(_WORD.findall(message.content)) for message in messages)


def is_cut(messages: tuple[Message, ...], usage: Usage) -> bool:
    """Whether a server that reports ``usage`` cannot have read the whole of ``messages``.

    Ollama cuts a prompt to its context, or to half of it and two tokens, and answers as if nothing were missing. Some
    servers leave the tokens of their prefix cache out of the prompt's, so these are added before judging.
    """
    reported = usage.prompt_tokens
    read = reported + (usage.cached_tokens or 0)
    if reported < SHORTEST_CUT:
        return False
    characters = sum(len(_RUN.sub(" ", message.content)) for message in messages)
    if characters > MOST_CHARACTERS_PER_TOKEN * read:
        return True
    return _is_near_a_context(reported) and fewest_tokens(messages) > read


def _is_near_a_context(tokens: int) -> bool:
    """Whether a number is at most 8 from a multiple of 512, as contexts and their halves are."""
    return (tokens + 8) % 512 <= 16
