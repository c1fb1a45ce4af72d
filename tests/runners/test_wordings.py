"""Every server's wording of an error is a row of wordings.yaml."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import ContextOverflow, RetryableError, RunnerError
from runners.http_errors import error_from_response, error_in_body, json_answer
from runners.waits import wait_of
from runners.wordings import is_role_refused

ROWS: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("wordings.yaml").read_text(encoding="utf-8")
)


def rows(kind: str) -> list[Any]:
    return [pytest.param(row, id=f"{row['server']}, {number}") for number, row in enumerate(ROWS[kind])]


def text_of(row: dict[str, Any]) -> str:
    return str(row["body"]) if "body" in row else json.dumps({"error": {"message": row["error"]}})


def error(row: dict[str, Any], usual_status: int = 400) -> RunnerError | None:
    status, text = row.get("status", usual_status), text_of(row)
    if status == 200:
        return error_in_body(json.loads(text), {}, text, model="m", key_env="", key="")
    return error_from_response(status, {}, text, model="m", key_env="", key="")


@pytest.mark.parametrize("row", rows("context"))
def test_a_prompt_that_does_not_fit_is_an_overflow_in_every_servers_words(row: dict[str, Any]) -> None:
    assert type(error(row)) is ContextOverflow


@pytest.mark.parametrize("row", [*rows("not_context"), *rows("role")])
def test_what_speaks_of_tokens_and_limits_otherwise_is_no_overflow(row: dict[str, Any]) -> None:
    assert not isinstance(error(row), ContextOverflow)


@pytest.mark.parametrize("row", rows("role"))
def test_a_refused_system_role_is_understood_in_every_servers_words(row: dict[str, Any]) -> None:
    assert is_role_refused(text_of(row))


@pytest.mark.parametrize("row", [*rows("not_role"), *rows("context"), *rows("not_context")])
def test_other_errors_are_no_refused_role(row: dict[str, Any]) -> None:
    assert is_role_refused(text_of(row)) is (row["server"] == "a system role")


@pytest.mark.parametrize("row", rows("quota"))
def test_credit_or_a_quota_that_is_used_up_is_understood_in_every_servers_words(row: dict[str, Any]) -> None:
    refused = error(row, 429)
    assert refused is not None
    assert refused.outage == "quota"


@pytest.mark.parametrize("row", rows("not_quota"))
def test_a_rate_limit_is_no_quota_whatever_it_says_of_bills(row: dict[str, Any]) -> None:
    refused = error(row, 429)
    assert refused is not None
    assert refused.outage != "quota"


@pytest.mark.parametrize("row", [*rows("context"), *rows("not_context"), *rows("role"), *rows("refused")])
def test_other_errors_speak_of_no_credit(row: dict[str, Any]) -> None:
    refused = error(row)
    assert refused is None or refused.outage != "quota"


@pytest.mark.parametrize("row", rows("key"))
def test_a_key_that_is_none_is_understood_in_every_servers_words(row: dict[str, Any]) -> None:
    refused = error(row)
    assert refused is not None
    assert refused.outage == "key"


@pytest.mark.parametrize(
    "row",
    [
        one
        for kind in ("not_key", "context", "not_context", "role", "refused", "not_refused", "quota")
        for one in rows(kind)
    ]
    + rows("not_quota"),
)
def test_other_errors_speak_of_no_key(row: dict[str, Any]) -> None:
    refused = error(row)
    assert refused is None or refused.outage != "key" or row.get("status") == 401


@pytest.mark.parametrize("row", rows("elsewhere"))
def test_an_error_in_any_fields_and_with_status_200_is_quoted_and_of_its_kind(row: dict[str, Any]) -> None:
    refused = error({**row, "status": 200})
    assert refused is not None
    assert refused.outage == row["kind"]
    assert row["says"] in str(refused)


def test_an_answer_with_another_status_of_success_is_quoted() -> None:
    with pytest.raises(RetryableError, match=r'no answer \(HTTP 202\): {"status": "queued"}'):
        json_answer(202, {}, '{"status": "queued"}', model="m", key_env="", key="")


@pytest.mark.parametrize("row", rows("waits"))
def test_a_wait_is_understood_in_every_servers_words(row: dict[str, Any]) -> None:
    wait = wait_of(row.get("headers", {}), text_of(row), datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    assert wait == (pytest.approx(row["seconds"]) if "seconds" in row else None)
