"""Servers that stop answering in the middle of a run: it stops, says why, and is resumed by the same command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.runs.execute import Stopped
from harness.runs.results import RunResult
from tests.chat_server import ChatServer, Fault

Ask = Callable[..., RunResult]


def said(status: int, message: str, **headers: str) -> Fault:
    return Fault("status", status, tuple(headers.items()), json.dumps({"error": {"message": message}}))


DAILY = said(429, "You exceeded your current quota. Quota exceeded for metric: requests_per_day, limit: 3.")
OUTAGES = {
    "quota": (DAILY, "no credit or quota left"),
    "credit": (said(400, "Your credit balance is too low to access the API."), "credit balance"),
    "payment": (said(402, "pay"), "no credit"),
    "key": (said(401, "Incorrect API key provided"), "refused a request without an API key"),
    "access": (said(403, "Project has no access"), "refused"),
    "model": (said(404, "The model does not exist"), "knows no model"),
}


def manifest_of(results: Path) -> dict[str, Any]:
    (file,) = results.glob("runs/*/manifest.json")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_after_answers_stops_the_run_which_the_same_command_resumes(
    ask: Ask, tmp_path: Path, name: str
) -> None:
    fault, reason = OUTAGES[name]
    with ChatServer(misbehave=lambda number, _body: fault if number > 4 else None) as server:
        with pytest.raises(Stopped, match=f"3 requests in a row failed: .*{reason}.*Resume with the same command"):
            ask(server, 12, max_connections=2)
        assert server.received <= 4 + 3 + 2
        assert manifest_of(tmp_path / "results")["status"] == "stopped"
        assert not list(tmp_path.glob("results/runs/*/documents.jsonl"))
        server.misbehave = lambda _number, _body: None
        assert ask(server, 12).manifest.statuses == {"ok": 12}
        assert server.answered.total() == 12


def test_an_outage_at_the_last_document_leaves_no_complete_run(ask: Ask, tmp_path: Path) -> None:
    with ChatServer(misbehave=lambda number, _body: DAILY if number > 4 else None) as server:
        with pytest.raises(Stopped, match=r"the last requests failed: .*no credit or quota left"):
            ask(server, 5, max_connections=1)
        assert manifest_of(tmp_path / "results")["status"] == "stopped"


def test_a_server_that_is_gone_for_good_stops_the_run(ask: Ask) -> None:
    with (
        ChatServer(misbehave=lambda number, _body: Fault("gone") if number > 4 else None) as server,
        pytest.raises(Stopped, match=r"3 requests in a row failed: connection to .* failed"),
    ):
        ask(server, 12, max_connections=1)


def test_an_outage_that_passes_costs_its_documents_only(ask: Ask) -> None:
    with ChatServer(misbehave=lambda number, _body: OUTAGES["key"][0] if number in (4, 5) else None) as server:
        assert ask(server, 12, max_connections=1).manifest.statuses == {"api_error": 2, "ok": 10}


@pytest.mark.parametrize("name", ["key", "access", "model"])
def test_an_outage_from_the_first_request_on_is_bad_input(ask: Ask, name: str) -> None:
    with ChatServer(misbehave=lambda _number, _body: OUTAGES[name][0]) as server:
        with pytest.raises(HarnessError) as raised:
            ask(server, 30)
        assert raised.value.exit_code == 2
        assert server.received <= 16


LONG_WAITS = {
    "header": said(429, "busy", **{"Retry-After": "25920"}),
    "header of a server error": said(503, "maintenance", **{"Retry-After": "25920"}),
    "words": said(429, "Rate limit reached. Please try again in 7h12m."),
    "limits": said(429, "busy", **{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "7h12m0s"}),
}


@pytest.mark.parametrize("name", LONG_WAITS)
def test_a_wait_of_hours_is_told_at_once_and_not_sat_through(ask: Ask, name: str) -> None:
    with ChatServer(misbehave=lambda number, _body: LONG_WAITS[name] if number > 2 else None) as server:
        with pytest.raises(Stopped, match=r"the server asks to wait 7h12m: HTTP (429|503): "):
            ask(server, 30, max_connections=2, max_retries=8)
        assert server.received <= 4


def test_a_wait_of_hours_that_answers_the_test_request_leaves_a_run_that_can_be_resumed(ask: Ask) -> None:
    with (
        ChatServer(misbehave=lambda _number, _body: LONG_WAITS["header"]) as server,
        pytest.raises(Stopped, match="the server asks to wait 7h12m: ") as raised,
    ):
        ask(server, 3, model_options={"constrain_with": "regex"}, max_retries=8)
    assert raised.value.exit_code == 3
    assert server.received == 1
