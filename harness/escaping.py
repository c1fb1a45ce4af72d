"""How names and triplets are spelt in an answer, shared by prompts, grammars and the parser."""

from __future__ import annotations

import re

TERMINATOR = "END"
"""The last line of every answer."""

SEPARATOR = " | "
"""What stands between the fields of a triplet."""

NO_RELATION = "None"
"""What stands for the relation of a pair that has none (LMRC, Table 11)."""

ASKED_RELATION = "-"
"""What stands for the relation of a pair in a question (LMRC, Tables 11 and 12)."""

# The backslash and the field separator; control characters and the Unicode line and paragraph
# separators, any of which some reader takes for the end of a line; white space at either end, which
# splitting into fields strips; and the first of two quotes around the whole text, which the parser
# would otherwise take for quotes that a model added.
_UNSAFE = re.compile(
    r"""[\\|\x00-\x1f\x7f-\x9f\u2028\u2029] | \A\s | \s\Z | \A(?P<quote>["'`])(?=.*(?P=quote)\Z)""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"""\\(?:([\\|"'`])|u([0-9A-Fa-f]{4}))""")
_EMPTY = r"\e"
_ITEM_LIKE_TERMINATOR = rf"\u{ord(TERMINATOR[0]):04x}{TERMINATOR[1:]}"
_SURROGATES = range(0xD800, 0xE000)


def escape(text: str) -> str:
    r"""Spell ``text`` so that it can stand as a field of an answer line.

    The result is not empty, holds no unescaped ``|``, no control character and no line separator, has
    no white space at its ends and is not wrapped in quotes; ``unescape`` gives ``text`` back. Ordinary
    names are returned unchanged, with their quotes, parentheses, accents and inner spaces: a model has
    to copy them. Escapes are ``\\``, ``\|``, ``\"`` (also ``\'`` and a backslashed backtick),
    ``\uXXXX``, and ``\e`` for the empty text.
    """
    return _UNSAFE.sub(_spell, text) if text else _EMPTY


def unescape(field: str) -> str:
    r"""The text that ``escape`` spelt as ``field``.

    Never fails: a backslash that begins no escape stands for itself, as does a ``\uXXXX`` that would be
    half of a surrogate pair.
    """
    if "\\" not in field:
        return field
    return "" if field == _EMPTY else _ESCAPE.sub(_read, field)


def format_triplet(head: str, relation: str, tail: str) -> str:
    """The line, without its line feed, that states a triplet of unescaped texts."""
    return f"({SEPARATOR.join(map(escape, (head, relation, tail)))})"


def format_item(text: str) -> str:
    """The line, without its line feed, that lists an unescaped text; never the terminator, whatever the text."""
    return _ITEM_LIKE_TERMINATOR if text == TERMINATOR else escape(text)


def _spell(match: re.Match[str]) -> str:
    character = match[0]
    return f"\\{character}" if character in "\\|\"'`" else f"\\u{ord(character):04x}"


def _read(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    code = int(match[2], 16)
    return match[0] if code in _SURROGATES else chr(code)
