"""How long a server asks to wait: in a header, in a field of its answer, or in its words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from runners.error_text import said

_UNIT = r"(?P<ms>ms|milliseconds?)|(?P<s>s|secs?|seconds?)|(?P<m>m|mins?|minutes?)|(?P<h>h|hrs?|hours?)|(?P<d>d|days?)"
_PART = re.compile(rf"\s*(?:and\s+|,\s*)?(\d+(?:\.\d+)?)\s*(?:{_UNIT})(?![a-z])", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WISH = re.compile(
    r"\b(try(?:ing)? (?:it )?again|retry(?:ing)?|wait(?:ing)?|resets?|available(?: again)?)\b[^\n\d]{0,30}(?=\d)",
    re.IGNORECASE,
)
_BARE = re.compile(r"retry[- _]after\D{0,3}(\d+(?:\.\d+)?)(?![\w.]*[a-z])", re.IGNORECASE)
_FIELD = re.compile(
    r'"(retry_?-?(?:delay|after)(_?ms|_?s|_seconds)?|estimated_time)"\s*:\s*"?(\d[\w. ]*)', re.IGNORECASE
)
# Larger numbers count from 1970, in seconds or in milliseconds; and no server means years.
_FIRST_DATE, _FIRST_DATE_MS = 1e9, 1e11
_LONGEST_S = 366 * 86400.0


def wait_of(headers: Mapping[str, str], text: str, now: datetime | None = None) -> float | None:
    """The seconds that a failed answer asks to wait, or None: by its headers, else by its text."""
    wait = retry_after_s(headers, now)
    if wait is None:
        wait = retry_after_s(_headers_in(text), now)
    if wait is None:
        wait = next(_in_text(text), None)
    return wait


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds that headers ask to wait, or None.

    Reads ``retry-after-ms``, ``retry-after`` (seconds or a date, RFC 9110 section 10.2.3), and where a rate limit is
    used up, its reset: ``x-ratelimit-remaining-*: 0`` with ``x-ratelimit-reset-*``, ``ratelimit-reset``,
    ``anthropic-ratelimit-*-reset``. Header names are looked up in lower case.
    """
    now = now or datetime.now(UTC)
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    if (milliseconds := _number(lower.get("retry-after-ms"))) is not None:
        return _sensible(milliseconds / 1000)
    if after := lower.get("retry-after"):
        return _until(after, now)
    waits = [
        wait
        for name, value in lower.items()
        if "ratelimit" in name.replace("-", "")
        and "reset" in name
        and _number(lower.get(name.replace("reset", "remaining"))) == 0
        and (wait := _until(value, now)) is not None
    ]
    return max(waits, default=None)


def _headers_in(text: str) -> Mapping[str, str]:
    """Headers of the service behind a gateway, which OpenRouter puts into the error."""
    try:
        error = json.loads(text)["error"]
        return {str(name): str(value) for name, value in error["metadata"]["headers"].items()}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return {}


def _in_text(text: str) -> Iterator[float]:
    for field in _FIELD.finditer(text):
        unit = "ms" if (field[2] or "").endswith("ms") else "s"
        value = field[3].strip()
        wait = _span(value + unit if value.replace(".", "").isdecimal() else value)
        if wait is not None:
            yield wait
    words = said(text)
    for wish in _WISH.finditer(words):
        if (wait := _leading_span(words[wish.end() :])) is not None:
            yield wait
    for bare in _BARE.finditer(words):
        if (wait := _sensible(float(bare[1]))) is not None:
            yield wait


def _until(value: str, now: datetime) -> float | None:
    """Seconds from a span, a number of seconds, a time since 1970, or a date."""
    if (number := _number(value)) is not None:
        if number >= _FIRST_DATE:
            number = max(0.0, number / (1000 if number >= _FIRST_DATE_MS else 1) - now.timestamp())
        return _sensible(number)
    if (wait := _span(value)) is not None:
        return wait
    moment = _date(value)
    return None if moment is None else _sensible(max(0.0, (moment - now).total_seconds()))


def _date(value: str) -> datetime | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(value)
        except (ValueError, TypeError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _span(text: str) -> float | None:
    """Seconds of a span that is all of ``text``, such as ``120ms``, ``1s``, ``6m0s`` or ``2 hours``."""
    end = 0
    while part := _PART.match(text, end):
        end = part.end()
    return _leading_span(text) if end and end == len(text) else None


def _leading_span(text: str) -> float | None:
    total, end = 0.0, 0
    while part := _PART.match(text, end):
        total += float(part[1]) * _SECONDS[str(part.lastgroup)]
        end = part.end()
    return _sensible(total) if end else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _sensible(seconds: float) -> float | None:
    return seconds if seconds <= _LONGEST_S else None
