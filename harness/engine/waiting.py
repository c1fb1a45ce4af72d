"""What the requests of a run wait for at the moment, for the progress line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

# What requests wait for that are held back because a server refused another; the reason stands with that one.
PAUSE = "the server asks for a pause"
# Shorter waits are not worth a word.
_SHORTEST_S = 1.0
_SHORTEST_FOR_ANSWERS_S = 10.0
_LONGEST_REASON = 100
_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


class _Wait(NamedTuple):
    what: str
    since: float
    until: float | None


class Waiting:
    """All waits under way; those for an answer of the model apart."""

    def __init__(self) -> None:
        self._waits: dict[object, _Wait] = {}
        self._answers: dict[object, float] = {}

    @contextmanager
    def on(self, what: str, seconds: float | None = None) -> Iterator[None]:
        """Within the block, a request waits for ``what``, for so many seconds if that is known."""
        token, now = object(), time.monotonic()
        self._waits[token] = _Wait(what, now, None if seconds is None else now + seconds)
        try:
            yield
        finally:
            del self._waits[token]

    @contextmanager
    def for_answer(self) -> Iterator[None]:
        """Within the block, a request is with the model."""
        token = object()
        self._answers[token] = time.monotonic()
        try:
            yield
        finally:
            del self._answers[token]

    def in_words(self) -> str:
        """What the run waits for, of several waits the one that ends first; empty while nothing takes long."""
        now = time.monotonic()
        # Copied at once: a progress bar is drawn by another thread.
        waits, answers = list(self._waits.values()), list(self._answers.values())
        bounded = [wait for wait in waits if wait.until is not None and wait.until - now >= _SHORTEST_S]
        if bounded:
            nearest = min(bounded, key=lambda wait: (wait.what == PAUSE, wait.until or 0.0))
            return f"waiting {span((nearest.until or now) - now)}: {_short(nearest.what)}"
        open_ended = [wait for wait in waits if wait.until is None and now - wait.since >= _SHORTEST_S]
        if open_ended:
            first = min(open_ended, key=lambda wait: wait.since)
            return f"waiting for {first.what} ({span(now - first.since)})"
        if answers and now - min(answers) >= _SHORTEST_FOR_ANSWERS_S:
            what = "an answer" if len(answers) == 1 else f"{len(answers)} answers"
            return f"waiting for {what} ({span(now - min(answers))})"
        return ""


def span(seconds: float) -> str:
    """A time in its two largest units: ``34 s``, ``7h12m``, ``2d3h``."""
    left = round(seconds)
    if left < 120:
        return f"{left} s"
    parts = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        parts.append(f"{count}{unit}" if count else "")
    named = [number for number, part in enumerate(parts) if part]
    return "".join(parts[named[0] : named[0] + 2])


def _short(text: str) -> str:
    text = "".join(one if one.isprintable() else " " for one in text)  # a server may send what terminals act on
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
