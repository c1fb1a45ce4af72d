"""A retry replaces answers that were no good, each once, however often it is killed; first answers stay."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from harness.cli.main import app
from tests.chat_server import ChatServer, completion
from tests.commands import start
from tests.runs.test_interruption import journalled, wait_until

Arguments = Callable[..., list[str]]
CONNECTIONS = 4


def invoked(*arguments: str) -> dict[str, Any]:
    """What a command prints with --json, run in this process."""
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code in (0, 1), done.exception
    assert done.stdout, done.exception
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def cut_off(_body: dict[str, Any]) -> dict[str, Any]:
    return completion("(E1 | country", finish_reason="length")


def test_a_retry_that_is_killed_twice_asks_again_only_what_was_in_flight(
    run_arguments: Arguments, results: Path
) -> None:
    documents = 24
    with ChatServer(rule=cut_off, latency_s=0.05) as server:
        run = invoked(*run_arguments(server.base_url, documents))
        assert run["statuses"] == {"truncated": documents}
        retry = ["retry", run["run_id"], "--results-dir", str(results), "--base-url", server.base_url]
        retry += ["--max-connections", str(CONNECTIONS)]
        for moment in (30, 38):
            process = start(*retry)
            wait_until(lambda moment=moment: server.answered.total() >= moment)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert invoked(*retry)["statuses"] == {"truncated": documents}, "the answers are as bad as before"
        assert server.answered.total() <= 2 * documents + 2 * CONNECTIONS
        # The next retry is another one.
        before = server.answered.total()
        invoked(*retry)
        assert server.answered.total() == before + documents
    manifest = json.loads(next((results / "runs").glob("*/manifest.json")).read_text(encoding="utf-8"))
    assert "retry" not in manifest


def test_a_retry_leaves_good_answers_and_those_that_another_run_s_retry_gave(
    run_arguments: Arguments, results: Path
) -> None:
    with ChatServer(rule=lambda body: cut_off(body) if "Town1<" in str(body) else completion("END")) as server:
        runs = [invoked(*run_arguments(server.base_url, 3, "--limit", limit))["run_id"] for limit in ("2", "3")]
        assert server.answered.total() == 3, "both runs share their answers"
        server.rule = lambda _body: completion("END")
        for run in runs:
            again = invoked("retry", run, "--results-dir", str(results), "--base-url", server.base_url)
            assert set(again["statuses"]) == {"ok"}
        assert server.answered.total() == 4, "one answer was bad, and one retry replaced it for both runs"


def test_an_answer_that_cannot_be_read_is_asked_for_again(run_arguments: Arguments, results: Path) -> None:
    with ChatServer() as server:
        arguments = run_arguments(server.base_url, 3)
        whole = invoked(*arguments)
        with closing(sqlite3.connect(results / "journal.sqlite")) as connection, connection:
            connection.execute("UPDATE answers SET completion = '{' WHERE key = (SELECT min(key) FROM answers)")
        again = invoked(*arguments)
        assert again["metrics"] == whole["metrics"]
        assert server.answered.total() == 4
    assert journalled(results) == 3
