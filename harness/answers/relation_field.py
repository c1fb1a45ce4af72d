"""The relation field of an answer line, and what closes it, in the notation of each grammar form."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from harness.answers.notation import longest_first, quoted_choice, quoted_literal, regex_choice, regex_literal
from harness.escaping import SEPARATOR, escape

GrammarLevel = Literal["closed", "format"]

# Free text: the ranges hold letters, digits and punctuation of all scripts as raw characters, which every engine reads
# alike. White space, controls, surrogates, private use and the two characters that JSON or a line escapes are left out.
OTHER_CHARACTERS = "¡-ᙿᚁ-῿‐-‧、-퟿\uf900-\ufefc！-\uffee\U00010000-\U0003fffd"
"""What every range of free text holds beyond ASCII."""
FREE_CHARACTER = f"[!-\\[\\]-{{}}~{OTHER_CHARACTERS}]"
# A relation has up to 80 characters, with single spaces between them. GBNF counts words and the characters of each:
# with an optional space before every character most tokens fit in two ways, and xgrammar's mask for a token took 65 ms
# in place of one. llama.cpp refuses repetitions of over 2,000 in all.
RELATION_CHARACTERS, RELATION_WORDS = 80, 20
_FREE_REGEX = f"{FREE_CHARACTER}(?: ?{FREE_CHARACTER}){{0,{RELATION_CHARACTERS - 1}}}"
_FREE_WORD = f"{FREE_CHARACTER}{{1,{RELATION_CHARACTERS}}}"
_FREE_GBNF = f'{_FREE_WORD} (" " {_FREE_WORD}){{0,{RELATION_WORDS - 1}}}'


def allowed_relations(relations: tuple[str, ...], level: GrammarLevel) -> tuple[str, ...] | None:
    """The relations to choose from, or None at level ``format``, where the relation is free text."""
    return relations if level == "closed" else None


def relation_regex(relations: tuple[str, ...] | None) -> str:
    """A regular expression of the relation alone."""
    return _FREE_REGEX if relations is None else _closed_regex(relations)


def relation_gbnf(relations: tuple[str, ...] | None, closing: str = SEPARATOR) -> str:
    """The body of a GBNF rule: the relation and the ``closing`` after it."""
    return f"{_FREE_GBNF} {quoted_literal(closing)}" if relations is None else _closed_quoted(relations, closing)


def relation_lark(relations: tuple[str, ...] | None, closing: str = SEPARATOR) -> str:
    """The body of a Lark terminal: the relation and the ``closing`` after it, which shows where it ends."""
    return f"/{_FREE_REGEX}{regex_literal(closing)}/" if relations is None else _closed_quoted(relations, closing)


def relation_schema(relations: tuple[str, ...] | None) -> dict[str, object]:
    """The JSON schema of the relation; free text is any string, as strict modes share no bound on length."""
    return (
        {"type": "string"} if relations is None else {"type": "string", "enum": longest_first(map(escape, relations))}
    )


@lru_cache(maxsize=16)
def _closed_regex(relations: tuple[str, ...]) -> str:
    return regex_choice(map(escape, relations))


@lru_cache(maxsize=16)
def _closed_quoted(relations: tuple[str, ...], closing: str) -> str:
    return quoted_choice(map(escape, relations), closing)
