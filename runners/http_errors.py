"""What an HTTP failure means: the harness error for a status, and what the server said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from harness.errors import (
    ContextOverflow,
    FatalError,
    OutageError,
    RequestError,
    RequestRefused,
    RetryableError,
    RunnerError,
)
from harness.redaction import redact, redact_answer
from runners.chat_answer import UnusableAnswer
from runners.waits import wait_of
from runners.wordings import is_context_overflow, is_credit_used_up, is_quota_used_up, is_role_refused

LONGEST_EXCERPT = 300

_MODERATED = re.compile(r"content_filter|content_policy|moderation|flagged", re.IGNORECASE)
# These say that a rate or a quota is used up; others, that the account can pay for nothing more, or neither.
_OF_QUOTA = (403, 429, 503, 529)
_NEVER_OF_CREDIT = (404, 405, 407, 413, 422)


def json_answer(
    status: int, headers: Mapping[str, str], text: str, *, model: str, key_env: str, key: str, remedy: str = ""
) -> object:
    """What the JSON of a successful answer holds, without secrets; raises the error that any other answer means.

    Some gateways send an error with status 200. The names are those of :func:`error_from_response`.
    """
    if not 200 <= status < 300:
        raise error_from_response(status, headers, text, model=model, key_env=key_env, key=key, remedy=remedy)
    media_type = re.match(r"[\w.+-]{1,40}/[\w.+-]{1,40}", headers.get("content-type", ""))
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        said = excerpt(text, key)
        kind = media_type[0] if media_type else "no type"
        if kind == "text/event-stream":
            raise UnusableAnswer(f"the server streams its answer although it was not asked to: {said}") from None
        hint = f"; {remedy}" if remedy and kind == "text/html" else ""
        raise RetryableError(f"the server's answer is not complete JSON ({kind}): {said}{hint}") from None
    error = error_in_body(answer, headers, text, model=model, key_env=key_env, key=key)
    if error is not None:
        raise error
    return redact_answer(answer)


def error_from_response(
    status: int, headers: Mapping[str, str], text: str, *, model: str, key_env: str, key: str, remedy: str = ""
) -> RunnerError:
    """The harness error for an HTTP answer other than success.

    ``key_env`` is the name of the variable that held the key; ``key`` itself is struck from every message. ``remedy``
    says what may be wrong with the address if nothing is found there.
    """
    error = _error_of_status(status, headers, text, model, key_env, excerpt(text, key), remedy)
    error.answer = redact(text, key)
    return error


def _error_of_status(
    status: int, headers: Mapping[str, str], text: str, model: str, key_env: str, said: str, remedy: str
) -> RunnerError:
    if status in (400, 403) and _MODERATED.search(text):
        return RequestRefused(f"the provider's moderation refused the prompt (HTTP {status}): {said}")
    wait_s = wait_of(headers, text)
    if (
        status == 402
        or (status in _OF_QUOTA and is_quota_used_up(text))
        or (status not in _NEVER_OF_CREDIT and is_credit_used_up(text))
    ):
        whose = f"the account behind ${key_env}" if key_env else "the account"
        return OutageError(
            f"{whose} has no credit or quota left (HTTP {status}): {said}", "quota", retry_after_s=wait_s
        )
    if status in (401, 403):
        whose = f"the API key in ${key_env}" if key_env else "a request without an API key"
        return OutageError(f"the server refused {whose} (HTTP {status}): {said}", "key" if status == 401 else "access")
    if status in (404, 405):
        hint = f"; {remedy}" if remedy else ""
        return OutageError(
            f"the server knows no model {model!r} at this address (HTTP {status}): {said}{hint}", "access"
        )
    if status == 407:
        return FatalError(f"the proxy asks for a login (HTTP 407): write http://NAME:PASSWORD@PROXY: {said}")
    if status not in (408, 409, 429, 503, 529) and is_context_overflow(text):
        # Gateways hide the status of what is behind them, and some engines answer 500 to any error.
        return ContextOverflow(f"prompt and answer do not fit the model's context: {said}")
    if status in (408, 409, 429) or (status >= 500 and not is_role_refused(text)):
        return RetryableError(
            f"HTTP {status}: {said}",
            retry_after_s=wait_s,
            overloaded=status in (429, 503, 529),
            outage="overload" if status in (502, 504) else "",
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
