"""`harness serve` as a process: it loads, answers, and ends in order."""

from __future__ import annotations

import http.client
import json
import signal
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi: pip install 'docre-harness[serve]'")

from tests.commands import error_line, harness_here, start

RULES = ["--relations", "none", "--entities"]


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Mentions of the text 0, which need no model."""
    file = tmp_path / "given.jsonl"
    entities = [{"type": "PER", "mentions": [{"start": 0, "end": 3}]}]
    file.write_text(json.dumps({"title": "0", "entities": entities}) + "\n")
    return file


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_when_it_says_so_and_ends_without_a_fault(given: Path, number: int) -> None:
    process = start("serve", *RULES, given, "--port", "0", HARNESS_SERVE_TOKEN="0123456789abcdef")
    assert process.stdout is not None
    told = process.stdout.readline()
    port = int(told.rpartition(":")[2].partition("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer 0123456789abcdef"}
    connection.request("POST", "/extract", json.dumps({"text": "Ada left."}), headers)
    (found,) = json.loads(connection.getresponse().read())["documents"]
    assert [one["name"] for one in found["entities"]] == ["Ada"]
    taken = harness_here("serve", *RULES, given, "--port", str(port))
    assert taken.returncode == 2
    assert f"--port {port} cannot be used" in error_line(taken)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err.splitlines() == ["loading the models", "ended"]


def test_other_machines_need_a_token_that_cannot_be_guessed(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_SERVE_TOKEN", raising=False)
    refused = harness_here("serve", *RULES, given, "--host", "0.0.0.0")
    assert (refused.returncode, "needs a token" in error_line(refused)) == (2, True)
    file = tmp_path / "token"
    for token in ("short", "", "with white space inside", "é" * 20):
        file.write_text(token)
        told = error_line(harness_here("serve", *RULES, given, "--host", "0.0.0.0", "--token-file", file))
        assert "must have 16 or more" in told
        assert not token or token not in told
    assert "cannot be read" in error_line(harness_here("serve", *RULES, given, "--token-file", tmp_path / "no"))
    monkeypatch.setenv("HARNESS_SERVE_TOKEN", "short")
    assert "must have 16 or more" in error_line(harness_here("serve", *RULES, given))


def test_what_it_does_not_serve_is_told_before_anything_is_loaded() -> None:
    assert "a language model" in error_line(harness_here("serve", "--relations", "mock"))
