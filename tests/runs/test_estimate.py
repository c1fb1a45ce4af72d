"""A dry run counts what the run then sends, and tells what the journal answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chat_server import ChatServer
from tests.commands import harness_here

Arguments = Callable[..., list[str]]


def estimated(*arguments: str) -> dict[str, object]:
    done = harness_here(*arguments, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("prompt", ["tagged", "pairwise"])
def test_a_dry_run_counts_the_requests_that_are_sent(run_arguments: Arguments, results: Path, prompt: str) -> None:
    with ChatServer() as server:
        arguments = [*run_arguments(server.base_url, 4, "--part", "1/2"), "--prompt", prompt]
        before = estimated(*arguments, "--rate", "2")
        assert server.received == 0
        assert not results.exists()
        assert harness_here(*arguments, "--json").returncode == 0
        assert before["to_send"] == server.answered.total() == 2 * before["seconds"]  # type: ignore[operator]
        after = estimated(*arguments)
        assert (after["to_send"], after["seconds"]) == (0, 0.0)
        assert before["run_id"] == after["run_id"]
        wider = estimated(*arguments, "--part", "2/2", "--repeat", "1")
        assert wider["rate_from"] == before["run_id"]


def test_steps_that_depend_on_answers_have_a_bound_and_an_expectation(run_arguments: Arguments) -> None:
    steps = estimated(*run_arguments("http://127.0.0.1:9/v1", 3), "--prompt", "rhf")["steps"]
    assert isinstance(steps, dict)
    assert steps["relations"]["least"] == steps["relations"]["by_labels"] == 3
    assert steps["heads"]["least"] == 0 < steps["heads"]["by_labels"] <= steps["facts"]["by_labels"]


def test_an_expensive_run_needs_a_yes(run_arguments: Arguments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    with ChatServer() as server:
        arguments = [*run_arguments(server.base_url, 3), "--model", "gpt-4o", "--confirm-above"]
        refused = harness_here(*arguments, "0.000001")
        assert refused.returncode == 2, refused.stderr
        assert "3 requests, about $" in refused.stderr
        assert server.received == 0
        assert harness_here(*arguments, "0.000001", "--yes").returncode == 0
        assert harness_here(*arguments, "100").returncode == 0
        assert server.answered.total() == 3
