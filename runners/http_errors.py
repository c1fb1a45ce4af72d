"""What an HTTP failure means: the harness error for a status, and what the server said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TypedDict

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
from runners.error_text import excerpt, is_error, status_in
from runners.waits import wait_of
from runners.wordings import (
    is_context_code,
    is_context_overflow,
    is_credit_used_up,
    is_key_refused,
    is_lark_refused,
    is_quota_used_up,
    is_role_refused,
)

_MODERATED = re.compile(r"content_filter|content_policy|moderation|flagged", re.IGNORECASE)
# These say that a rate or a quota is used up; others, that the account can pay for nothing more, or neither.
_OF_QUOTA = (403, 429, 503, 529)
_NEVER_OF_CREDIT = (404, 405, 407, 413, 422)
_TOO_LONG = "prompt and answer do not fit the model's context"


class ErrorTold(TypedDict):
    """The names of ``error_from_response``."""

    model: str
    key_env: str
    key: str
    remedy: str


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
    error = error_in_body(answer, headers, text, model=model, key_env=key_env, key=key, sent=status)
    if error is not None:
        raise error
    if status != 200 and not (isinstance(answer, dict) and answer.get("choices")):
        raise RetryableError(f"the server took the request and sent no answer (HTTP {status}): {excerpt(text, key)}")
    return redact_answer(answer)


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    text: str,
    *,
    model: str,
    key_env: str,
    key: str,
    remedy: str = "",
    sent: int = 0,
) -> RunnerError:
    """The harness error for an HTTP answer other than success.

    ``key_env`` is the name of the variable that held the key; ``key`` itself is struck from every message. ``remedy``
    says what may be wrong with the address if nothing is found there. ``sent`` is the status that the server sent,
    where its body means another.
    """
    error = _error_of_status(
        status, headers, text, model, key_env, excerpt(text, key), remedy, f"HTTP {sent or status}"
    )
    error.answer = redact(text, key)
    return error


def _error_of_status(
    status: int, headers: Mapping[str, str], text: str, model: str, key_env: str, said: str, remedy: str, shown: str
) -> RunnerError:
    if status in (400, 403) and _MODERATED.search(text):
        return RequestRefused(f"the provider's moderation refused the prompt ({shown}): {said}")
    wait_s = wait_of(headers, text)
    if (
        status == 402
        or (status in _OF_QUOTA and is_quota_used_up(text))
        or (status not in _NEVER_OF_CREDIT and is_credit_used_up(text))
    ):
        whose = f"the account behind ${key_env}" if key_env else "the account"
        return OutageError(f"{whose} has no credit or quota left ({shown}): {said}", "quota", retry_after_s=wait_s)
    if is_context_code(text):
        return ContextOverflow(f"{_TOO_LONG}: {said}")
    is_of_the_key = status == 401 or (status != 407 and is_key_refused(text))
    if is_of_the_key or status == 403:
        whose = f"the API key in ${key_env}" if key_env else "a request without an API key"
        return OutageError(f"the server refused {whose} ({shown}): {said}", "key" if is_of_the_key else "access")
    if status in (404, 405):
        hint = f"; {remedy}" if remedy else ""
        return OutageError(f"the server knows no model {model!r} at this address ({shown}): {said}{hint}", "access")
    if status == 407:
        return FatalError(f"the proxy asks for a login (HTTP 407): write http://NAME:PASSWORD@PROXY: {said}")
    if status not in (408, 409, 429, 503, 529) and is_context_overflow(text):
        # Gateways hide the status of what is behind them, and some engines answer 500 to any error.
        return ContextOverflow(f"{_TOO_LONG}: {said}")
    if status in (408, 409, 429) or (status >= 500 and not is_role_refused(text)):
        return RetryableError(
            f"{shown}: {said}",
            retry_after_s=wait_s,
            overloaded=status in (429, 503, 529),
            outage="overload" if status in (502, 504) else "",
        )
    hint = "; add -M constrain_with=gbnf, which this vLLM need not translate" if is_lark_refused(text) else ""
    return RequestError(f"the server rejected the request ({shown}): {said}{hint}")


def error_in_body(
    body: object, headers: Mapping[str, str], text: str, *, model: str, key_env: str, key: str, sent: int = 200
) -> RunnerError | None:
    """The error that some gateways send with status 200 in place of an answer, if there is one.

    ``body`` is what the JSON of ``text`` holds.
    """
    if not is_error(body):
        return None
    status = status_in(body, text)
    return error_from_response(status, headers, text, model=model, key_env=key_env, key=key, sent=sent)
