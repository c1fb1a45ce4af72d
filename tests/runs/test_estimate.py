"""A dry run counts what the run then sends, and tells what the journal answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import ChatServer, answer_by_rule
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


@pytest.mark.parametrize("more", [(), ("-M", "omit=n"), ("--samples", "6")])
def test_samples_of_one_call_have_their_prompt_counted_once(run_arguments: Arguments, more: tuple[str, ...]) -> None:
    def counted(body: dict[str, Any]) -> dict[str, Any]:
        answer = answer_by_rule(body)
        choices = [{**answer["choices"][0], "index": number} for number in range(body.get("n", 1))]
        read = sum(len(message["content"]) for message in body["messages"]) // 4
        return {**answer, "choices": choices, "usage": {"prompt_tokens": read, "completion_tokens": 8 * len(choices)}}

    with ChatServer(counted) as server:
        arguments = run_arguments(server.base_url, 4, "--samples", "3", "--temperature", "0.7")
        if "6" in more:
            assert harness_here(*arguments).returncode == 0
        before, sent = estimated(*arguments, *more, "--rate", "2"), server.received
        run = json.loads(harness_here(*arguments, *more, "--json").stdout)
        assert before["to_send"] == run["spent"]["requests"] == 12
        assert server.received - sent == 2 * before["seconds"] == (12 if "omit=n" in more else 4)  # type: ignore[operator]
        assert before["in_one_call"] == 12 - (server.received - sent)
        assert before["prompt_tokens"] == pytest.approx(run["spent"]["prompt_tokens"], rel=0.01)
        in_batches = estimated(*arguments, "--repeat", "2", "--batch")
        assert (in_batches["in_one_call"], in_batches["to_send"]) == (0, 12), "batches have a prompt for each"


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
