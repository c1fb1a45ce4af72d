"""What an HTTP failure means: the harness error for a status, its wait, and what the server said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from harness.errors import (
    ContextOverflow,
    FatalError,
    RequestError,
    RequestRefused,
    RetryableError,
    RunnerError,
)
from harness.redaction import redact, redact_answer
from runners.chat_answer import UnusableAnswer
from runners.wordings import is_context_overflow, is_role_refused

LONGEST_EXCERPT = 300

# Codes, not wording: texts of ordinary rate limits point to billing pages, too (Groq, Gemini).
_NO_CREDIT_CODES = frozenset({"insufficient_quota", "insufficient_balance", "billing_hard_limit_reached"})
_MODERATED = re.compile(r"content_filter|content_policy|moderation|flagged", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def json_answer(status: int, headers: Mapping[str, str], text: str, *, model: str, key_env: str, key: str) -> object:
    """What the JSON of a successful answer holds, without secrets; raises the error that any other answer means.

    Some gateways send an error with status 200. ``key_env`` and ``key`` are those of :func:`error_from_response`.
    """
    if not 200 <= status < 300:
        raise error_from_response(status, headers, text, model=model, key_env=key_env, key=key)
    media_type = re.match(r"[\w.+-]{1,40}/[\w.+-]{1,40}", headers.get("content-type", ""))
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        said = excerpt(text, key)
        kind = media_type[0] if media_type else "no type"
        if kind == "text/event-stream":
            raise UnusableAnswer(f"the server streams its answer although it was not asked to: {said}") from None
        raise RetryableError(f"the server's answer is not complete JSON ({kind}): {said}") from None
    error = error_in_body(answer, headers, text, model=model, key_env=key_env, key=key)
    if error is not None:
        raise error
    return redact_answer(answer)


def error_from_response(
    status: int, headers: Mapping[str, str], text: str, *, model: str, key_env: str, key: str
) -> RunnerError:
    """The harness error for an HTTP answer other than success.

    ``key_env`` is the name of the variable that held the key; ``key`` itself is struck from every message.
    """
    error = _error_of_status(status, headers, text, model, key_env, excerpt(text, key))
    error.answer = text
    return error


def _error_of_status(
    status: int, headers: Mapping[str, str], text: str, model: str, key_env: str, said: str
) -> RunnerError:
    if status in (400, 403) and _MODERATED.search(text):
        return RequestRefused(f"the provider's moderation refused the prompt (HTTP {status}): {said}")
    if status in (401, 403):
        whose = f"the API key in ${key_env}" if key_env else "a request without an API key"
        return FatalError(f"the server refused {whose} (HTTP {status}): {said}")
    if status == 404:
        return FatalError(f"the server knows no model {model!r} at this address (HTTP 404): {said}")
    if status == 402 or (status == 429 and _codes(text) & _NO_CREDIT_CODES):
        whose = f"the account behind ${key_env}" if key_env else "the account"
        return FatalError(f"{whose} has no credit left (HTTP {status}): {said}")
    if status not in (408, 409, 429, 503, 529) and is_context_overflow(text):
        # Gateways hide the status of what is behind them, and some engines answer 500 to any error.
        return ContextOverflow(f"prompt and answer do not fit the model's context: {said}")
    if status in (408, 409, 429) or (status >= 500 and not is_role_refused(text)):
        return RetryableError(
            f"HTTP {status}: {said}",
            retry_after_s=retry_after_s(headers),
            overloaded=status in (429, 503, 529),
        )
    return RequestError(f"the server rejected the request (HTTP {status}): {said}")


def error_in_body(
    body: object, headers: Mapping[str, str], text: str, *, model: str, key_env: str, key: str
) -> RunnerError | None:
    """The error that some gateways send with status 200 in place of an answer, if there is one.

    ``body`` is what the JSON of ``text`` holds.
    """
    if not isinstance(body, dict) or body.get("choices") or not body.get("error"):
        return None
    error = body["error"]
    code = str(error.get("code")) if isinstance(error, dict) else ""
    status = int(code) if re.fullmatch("[45][0-9][0-9]", code) else 500
    return error_from_response(status, headers, text, model=model, key_env=key_env, key=key)


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds that a server asks to wait, or None.

    Reads ``retry-after-ms``, ``retry-after`` (seconds or an HTTP date, RFC 9110 section 10.2.3), and where
    a rate limit is used up (``x-ratelimit-remaining-*: 0``), its ``x-ratelimit-reset-*``. Header names
    are looked up in lower case.
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    if (milliseconds := _number(lower.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    if after := lower.get("retry-after"):
        if (wait := _number(after)) is not None:
            return wait
        if (wait := _span(after)) is not None:
            return wait
        return _until(after, now or datetime.now(UTC))
    waits = [
        wait
        for name, value in lower.items()
        if name.startswith("x-ratelimit-reset-")
        and _number(lower.get(name.replace("-reset-", "-remaining-"))) == 0
        and (wait := _span(value)) is not None
    ]
    return max(waits, default=None)


def _codes(text: str) -> set[str]:
    """The ``code`` and ``type`` of a JSON error; empty for any other text."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return set()
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return set()
    return {value for name in ("code", "type") if isinstance(value := error.get(name), str)}


def excerpt(text: str, key: str = "") -> str:
    """One line of what the server said: the message of a JSON error, else the start of the text; no secrets in it."""
    try:
        line = " ".join(str(_message(json.loads(text))).split())
    except (ValueError, RecursionError):
        line = " ".join(text.split())
    line = line.encode("utf-8", "replace").decode()  # JSON can spell half of a character
    # Secrets go first: cut off, one would not be recognised.
    line = redact(line, key)
    return line if len(line) <= LONGEST_EXCERPT else line[: LONGEST_EXCERPT - 1] + "…"


def _message(body: object) -> object:
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict):
        body = body.get("error") or body.get("message") or body.get("detail") or body
    if isinstance(body, dict):
        body = body.get("message") or body
    return body


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _span(text: str) -> float | None:
    """Seconds of a span such as ``120ms``, ``1s`` or ``6m0s``; a bare number counts seconds."""
    if (number := _number(text)) is not None:
        return number
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return _number(str(sum(float(number) * _SECONDS[unit] for number, unit in parts)))


def _until(date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
