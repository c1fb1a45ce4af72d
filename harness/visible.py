"""Text that does nothing to the terminal that shows it."""

from __future__ import annotations

import re

# Control characters but tab and line feed, other line ends, marks that turn the direction of text, half characters.
_ACTING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text with every character that acts on a terminal written as an escape: ``\x1b``, ``\u202e``."""
    return _ACTING.sub(_escaped, text)


def one_line(text: str) -> str:
    """The visible text, line feeds and tabs escaped too: for what must not look like lines of its own."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
