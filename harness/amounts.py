"""Numbers of things in words."""

from __future__ import annotations


def amount(number: int, one: str, several: str = "") -> str:
    """A number of things in words: ``1 entity``, ``2,000 entities``; ``several`` is by default ``one`` with an s."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
