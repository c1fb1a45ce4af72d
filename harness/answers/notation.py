"""Literals and alternations in the notation of each grammar form, for any declaration to build on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_REGEX_SPECIAL = re.compile(r"[\\.^$*+?()\[\]{}|]")
# xgrammar 0.2 writes such a character as \xE9 and reads that again together with a hexadecimal digit.
_MISREAD_BY_XGRAMMAR = re.compile(r"(?<=[\x80-\xff])(?=[0-9A-Fa-f])")
_QUOTED_SPECIAL = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def longest_first(texts: Iterable[str]) -> list[str]:
    """The distinct ``texts`` by falling length; equal lengths keep their order.

    outlines-core takes the leftmost alternative that matches: in ``a|ab`` it never reaches ``ab``.
    """
    return sorted(dict.fromkeys(texts), key=len, reverse=True)


def regex_literal(text: str) -> str:
    r"""A regular expression that matches exactly ``text``.

    Only the characters that are special in every engine are escaped. ``re.escape`` also writes ``\ ``,
    ``\-`` and ``\#``, about which xgrammar warns, and Outlines' types pass every string through it:
    that is why the regular expression is not built with them.
    """
    return _REGEX_SPECIAL.sub(r"\\\g<0>", text).replace("\n", r"\n")


def regex_choice(texts: Iterable[str]) -> str:
    """A regular expression, grouped, that matches any of ``texts``."""
    return "(?:" + "|".join(map(regex_literal, longest_first(texts))) + ")"


def quoted_literal(text: str) -> str:
    """One or more double-quoted literals, the same in GBNF and in Lark, that match exactly ``text``.

    Of the control characters it may hold only line breaks. ``Béatrice`` is written ``"Bé" "atrice"``.
    """
    return '"' + _MISREAD_BY_XGRAMMAR.sub('" "', text.translate(_QUOTED_SPECIAL)) + '"'


def quoted_choice(texts: Iterable[str], suffix: str = "") -> str:
    """The alternatives of a GBNF or Lark rule: any of ``texts``, followed by ``suffix``."""
    return " | ".join(quoted_literal(text + suffix) for text in longest_first(texts))


def gbnf(rules: Mapping[str, str]) -> str:
    """A GBNF grammar, as llama.cpp and xgrammar's EBNF read it; it begins at the rule ``root``."""
    return "".join(f"{name} ::= {body}\n" for name, body in rules.items())


def lark(rules: Mapping[str, str]) -> str:
    """A Lark grammar, as llguidance and xgrammar read it; it begins at the rule ``start``.

    Names in capitals are terminals. llguidance's lexer takes the longest match and never goes back, so a
    terminal must end in text that shows where it ends: ``"A | "``, not ``"A"`` beside ``"A B"``.
    """
    return "".join(f"{name}: {body}\n" for name, body in rules.items())


def chain(rule: str, mark: str, items: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The rules of a list in this order without repetition, not empty: an item as it is before others, and as the last.

    The rule of the items from place ``n`` on is called by ``rule`` and that number; ``mark`` stands before the number.
    """
    rules = {}
    for place, (more, last) in enumerate(items):
        following = f"{rule}{mark}{place + 1}"
        body = last if place + 1 == len(items) else f"{last} | {more} {following} | {following}"
        rules[f"{rule}{mark}{place}"] = body
    return rules


def strict_object(properties: dict[str, object]) -> dict[str, object]:
    """An object schema as strict mode wants it: every property required, no other allowed."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
