"""Lines with the punctuation of Chinese and Japanese, written as they would be with that of English.

A model that answers in Chinese writes ``（E1，导演，E2）`` or ``1、导演`` where nothing holds it to a grammar. Names
hold such marks, too. So a line that has the very form asked for is read as it is, and so is one in which nothing is
found this way.
"""

from __future__ import annotations

import re

_MARKS = str.maketrans(
    {
        **dict(zip("（）［］【】〔〕＜＞｛｝", "()[][]()<>{}", strict=True)),
        **dict(zip("｜，、；：＊“”「」『』＂", '|,,;:*"""""""', strict=True)),
        "。": ".",
        "．": ".",
        "　": " ",
    }
)
_ANY = re.compile("[（）［］【】〔〕＜＞｛｝｜，、；：＊“”「」『』＂。．　]")
_NUMBER = re.compile(r"\s*(?:[（(]\d{1,5}[）)](?=\s*\S)|\d{1,5}[．、）：]|[·●○◆■▪])\s*")
"""What numbers a line, without a space after it: ``1、``, ``1．``, ``1）``, ``（1）`` or a bullet."""
_ENDS = " 。；，"


def half_width(line: str) -> str:
    """``line`` with these marks as those of English, without its number and the mark at its end; else as it is."""
    number = None if line.isascii() else _NUMBER.match(line)
    if not number and not _ANY.search(line):
        return line
    return line[number.end() if number else 0 :].rstrip(_ENDS).translate(_MARKS).strip()
