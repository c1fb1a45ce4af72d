"""What a server's error says: all of its words to judge it by, one line to show, and the status that its body names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from harness.redaction import redact

LONGEST_EXCERPT = 300

# Parts of an error that repeat the request: a document may speak of anything.
_ECHOES = frozenset({"input", "messages", "prompt", "content", "failed_generation"})
_DEEPEST = 20
# An error is at the start of what a server sends; its page, or a trace of the stack, may go on for megabytes.
_LONGEST = 4_000
# A link to /rate-limits or /billing says nothing of what happened.
# One without a scheme has no underscore: Google names its metrics like addresses.
_LINK = re.compile(r"\b\w+://\S+|\bwww\.\S+|(?<!\S)\W?[\w-]+(?:\.[\w-]+)+/[^\s_]+(?!\S)")

# Where servers put the words of an error, in lower case without underscores.
_MESSAGES = (
    "error", "errors", "message", "msg", "detail", "details", "errormessage", "errormsg", "errmsg", "err",
    "errordescription", "statusmsg", "statusmessage", "baseresp", "fault", "faultstring", "exception", "traceback",
    "reason", "title", "description", "info", "choices",
)  # fmt: skip
_STATUSES = ("code", "status", "statuscode", "httpstatus", "httpcode", "errorcode", "errcode")
_STATUS = re.compile(r"[45][0-9][0-9]")
_FAILED = frozenset({"error", "fail", "failed", "failure"})
# The status that fits what an error says, where none is given; the first that fits.
_STATUS_OF_WORDS: tuple[tuple[int, re.Pattern[str]], ...] = tuple(
    (status, re.compile(words, re.IGNORECASE))
    for status, words in (
        (
            429,
            r"rate[ _-]?limit|too[ _]many[ _]requests|throttl|slow down|\bquota\b|limit (reached|exceeded)"
            r"|频率|限流|并发",
        ),
        (503, r"overload|unavailable|capacity|\bbusy\b|try again later|\bloading\b|繁忙"),
        (504, r"time[d]?[ _-]?out|超时"),
        (404, r"\bnot[ _]?found\b|does not exist|no such |unknown model|不存在"),
        (403, r"forbidden|permission|access denied|no access|无权"),
        (400, r"\binvalid|bad[ _]request|unsupported|not supported|not (permitted|allowed)|\brequired\b|malformed"),
    )
)


def said(text: str) -> str:
    """Codes, types and messages of a server's error, one a line, without links and what it repeats of the request."""
    try:
        words = "\n".join(_texts(json.loads(text), _DEEPEST))
    except (ValueError, RecursionError):
        words = text
    return _LINK.sub(" ", words[:_LONGEST])


def excerpt(text: str, key: str = "") -> str:
    """One line of what the server said: the message of a JSON error, else the start of the text; no secrets in it.

    Says so where the server sent nothing.
    """
    try:
        line = _message(json.loads(text), _DEEPEST) or text
    except (ValueError, RecursionError):
        line = text
    line = " ".join(line.split()).encode("utf-8", "replace").decode()  # JSON can spell half of a character
    # Secrets go first: cut off, one would not be recognised.
    line = redact(line, key) or "an empty body"
    return line if len(line) <= LONGEST_EXCERPT else line[: LONGEST_EXCERPT - 1] + "…"


def is_error(body: object) -> bool:
    """Whether a body without a choice says that something failed, in any server's fields."""
    if isinstance(body, list):
        return bool(body) and is_error(body[0])
    if not isinstance(body, dict):
        return False
    if choices := body.get("choices"):
        # OpenRouter puts what goes wrong while a model answers into the choice.
        first = choices[0] if isinstance(choices, list) else None
        return isinstance(first, dict) and bool(first.get("error")) and not _holds_text(first)
    fields = {_plain(name): value for name, value in body.items()}
    return (
        bool(fields.get("error") or _message(body, _DEEPEST))
        or fields.get("success") is False
        or fields.get("ok") is False
        or any(str(fields.get(name)).lower() in _FAILED for name in ("object", "type", "status"))
        or any(_STATUS.fullmatch(str(fields.get(name))) for name in _STATUSES)
    )


def _holds_text(choice: dict[str, object]) -> bool:
    message = choice.get("message")
    return bool(choice.get("text") or (isinstance(message, dict) and message.get("content")))


def status_in(body: object, text: str) -> int:
    """The HTTP status that an error in ``body`` names, else the one that fits its words, else 500."""
    found = next(_statuses(body, _DEEPEST), None)
    if found is not None:
        return found
    words = said(text)
    return next((status for status, pattern in _STATUS_OF_WORDS if pattern.search(words)), 500)


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict) and depth:
        parts = value.values() if isinstance(value, dict) else value
        names = value.keys() if isinstance(value, dict) else ("",) * len(value)
        for name, part in zip(names, parts, strict=True):
            if name not in _ECHOES:
                yield from _texts(part, depth - 1)


def _message(body: object, depth: int) -> str:
    """The words of an error, wherever they are; empty if there are none."""
    if isinstance(body, str):
        return body.strip()
    if isinstance(body, list) and depth:
        return next(filter(None, (_message(one, depth - 1) for one in body[:_DEEPEST])), "")
    if not isinstance(body, dict) or not depth:
        return ""
    fields = {_plain(name): value for name, value in body.items()}
    words = [text for name in _MESSAGES if (text := _message(fields.get(name), depth - 1))]
    # "error": "Unauthorized" may stand beside "message": "the key has expired".
    message = ": ".join(dict.fromkeys(words[: 1 + isinstance(fields.get("error"), str)]))
    place = fields.get("loc")
    return f"{'.'.join(map(str, place))}: {message}" if message and isinstance(place, list) else message


def _statuses(body: object, depth: int) -> Iterator[int]:
    if isinstance(body, list) and body and depth:
        yield from _statuses(body[0], depth - 1)
    if not isinstance(body, dict) or not depth:
        return
    fields = {_plain(name): value for name, value in body.items()}
    for name in _STATUSES:
        if _STATUS.fullmatch(str(fields.get(name))):
            yield int(fields[name])
    for name in _MESSAGES:
        yield from _statuses(fields.get(name), depth - 1)


def _plain(name: object) -> str:
    return str(name).replace("_", "").lower()
