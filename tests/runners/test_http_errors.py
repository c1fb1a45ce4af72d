from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness.errors import ContextOverflow, FatalError, OutageError, RequestError, RetryableError, RunnerError
from runners.http_errors import error_from_response
from runners.waits import retry_after_s

KEY = "sk-secret-0123456789abcdef"


def error(status: int, text: str = "", **headers: str) -> RunnerError:
    return error_from_response(
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        text,
        model="some-model",
        key_env="SOME_KEY",
        key=KEY,
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestError),
        (401, OutageError),
        (402, OutageError),
        (403, OutageError),
        (404, OutageError),
        (405, OutageError),
        (407, FatalError),
        (408, RetryableError),
        (409, RetryableError),
        (413, RequestError),
        (422, RequestError),
        (429, RetryableError),
        (500, RetryableError),
        (503, RetryableError),
        (529, RetryableError),
    ],
)
def test_each_status_means_one_kind_of_error(status: int, kind: type[RunnerError]) -> None:
    assert type(error(status, "no")) is kind


@pytest.mark.parametrize(("status", "overloaded"), [(429, True), (503, True), (500, False)])
def test_only_a_plea_for_less_load_counts_as_overload(status: int, overloaded: bool) -> None:
    raised = error(status)
    assert isinstance(raised, RetryableError)
    assert raised.overloaded is overloaded


def test_a_refused_key_names_its_variable_and_never_the_key() -> None:
    message = str(error(401, f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}'))
    assert "$SOME_KEY" in message
    assert "secret" not in message


def test_an_unknown_model_is_named() -> None:
    assert "'some-model'" in str(error(404, "model not found"))


@pytest.mark.parametrize(
    "text",
    [
        '{"error": {"message": "too long", "code": "context_length_exceeded"}}',
        '{"error":{"code":400,"message":"request (6031 tokens) exceeds the available context size (4096 tokens)"}}',
        '{"error": {"message": "This model\'s maximum context length is 4096 tokens."}}',
        '{"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}',
    ],
)
def test_every_servers_wording_of_an_overflow_is_understood(text: str) -> None:
    assert type(error(400, text)) is ContextOverflow


def test_the_servers_own_words_are_one_short_line() -> None:
    message = str(error(400, "<html>\n" + "x" * 5000))
    assert "\n" not in message
    assert len(message) < 400


NOW = datetime(2026, 1, 2, 3, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:00:00 GMT"}, 0.0),
        ({"retry-after": "2m"}, 120.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-remaining-requests": "12", "x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s later"}, None),
        ({"x-ratelimit-remaining-requests-day": "0", "x-ratelimit-reset-requests-day": "33011.4"}, 33011.4),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "50"}, 50.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767323070"}, 30.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767323070000"}, 30.0),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-01-02T04:04:00Z",
            },
            3600.0,
        ),
        ({"retry-after": "7h12m"}, 25920.0),
        ({"retry-after": "99999999999999"}, None),
        ({"retry-after": "9" * 400}, None),
    ],
)
def test_the_servers_wish_to_wait_is_read_in_every_form(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after_s(headers, NOW) == (wait if wait is None else pytest.approx(wait))
