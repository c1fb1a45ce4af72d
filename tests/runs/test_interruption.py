"""Runs survive SIGKILL, Ctrl-C, an exhausted budget and each other."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.chat_server import ChatServer
from tests.commands import error_line, harness, harness_json, start

Arguments = Callable[..., list[str]]


def predictions(results: Path) -> list[object]:
    (file,) = (results / "runs").glob("*/predictions.json")
    content: list[object] = json.loads(file.read_text(encoding="utf-8"))
    return content


def journalled(results: Path) -> int:
    if not (results / "journal.sqlite").is_file():
        return 0
    with closing(sqlite3.connect(results / "journal.sqlite")) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'answers'").fetchone()[0]
        return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0]) if tables else 0


def test_a_run_killed_at_twenty_random_moments_ends_as_an_undisturbed_one(
    run_arguments: Arguments, results: Path, tmp_path: Path
) -> None:
    documents = 500
    generator = random.Random(7)
    with ChatServer() as server:
        undisturbed = harness(*run_arguments(server.base_url, documents, "--results-dir", str(tmp_path / "calm")))
        assert undisturbed.returncode == 0, undisturbed.stderr
    with ChatServer(latency_s=0.05) as server:
        arguments = run_arguments(server.base_url, documents, "--max-connections", "4")
        stored = 0
        for number in range(20):
            process = start(*arguments)
            if number % 2:
                time.sleep(generator.uniform(0.05, 0.9))
            else:
                # However slow the machine is, half of the kills fall between two answers.
                moment = server.answered.total() + generator.randint(1, 25)
                wait_until(lambda moment=moment: server.answered.total() >= moment)
                time.sleep(generator.uniform(0.0, 0.05))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert journalled(results) >= stored
            stored = journalled(results)
        assert 0 < stored < documents, "the kills should have fallen into the middle of the run"
        before = server.answered.total()
        final = harness_json(*arguments)
        # What was in the journal is not asked again; at most the four in flight at each kill were lost.
        assert server.answered.total() - before == documents - stored
        assert server.answered.total() - documents <= 20 * 4
    assert final["statuses"] == {"ok": documents}
    assert predictions(results) == predictions(tmp_path / "calm")


def test_the_first_ctrl_c_finishes_what_is_in_flight_and_the_same_command_resumes(
    run_arguments: Arguments, results: Path
) -> None:
    with ChatServer(latency_s=0.3) as server:
        arguments = run_arguments(server.base_url, 60, "--max-connections", "4")
        process = start(*arguments)
        wait_until(lambda: server.answered.total() >= 4)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 3, err
        assert "SIGINT" in err
        assert "Resume with the same command" in err
        assert journalled(results) == server.answered.total() == server.received
        board = json.loads(harness("leaderboard", "--format", "json", "--results-dir", results).stdout)
        assert [row["reason"] for row in board[0]["unranked"]] == ["stopped"]
        server.latency_s = 0
        assert harness_json(*arguments)["statuses"] == {"ok": 60}
        assert max(server.answered.values()) == 1


def test_a_second_ctrl_c_stops_at_once(run_arguments: Arguments) -> None:
    with ChatServer(latency_s=30) as server:
        process = start(*run_arguments(server.base_url, 20))
        wait_until(lambda: server.received > 0)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None, "the requests in flight should be waited for"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=5)
        assert process.returncode == 3, err
        assert "Traceback" not in err


def test_ctrl_c_does_not_wait_for_a_retry(run_arguments: Arguments) -> None:
    from tests.chat_server import Fault

    busy = Fault("status", 429, (("Retry-After", "60"),))
    with ChatServer(misbehave=lambda _number, _body: busy) as server:
        process = start(*run_arguments(server.base_url, 5))
        wait_until(lambda: server.received > 0)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        assert process.returncode == 3


def test_an_exhausted_budget_stops_the_run_and_a_larger_one_goes_on(run_arguments: Arguments) -> None:
    with ChatServer() as server:
        small = harness(*run_arguments(server.base_url, 50, "--max-tokens-total", "3000", "--max-tokens", "500"))
        assert small.returncode == 3, small.stderr
        assert "--max-tokens-total 3000" in small.stderr
        assert 0 < server.answered.total() < 50
        whole = harness_json(*run_arguments(server.base_url, 50, "--max-tokens", "500"))
        assert whole["coverage"] == 1.0
        assert max(server.answered.values()) == 1


def test_two_processes_on_one_journal_both_end_well(run_arguments: Arguments, results: Path) -> None:
    with ChatServer(latency_s=0.01) as server:
        both = [start(*run_arguments(server.base_url, 200, "--repeat", str(number))) for number in (0, 1)]
        assert [process.communicate(timeout=300) and process.returncode for process in both] == [0, 0]
        assert set(server.answered.values()) == {2}
    assert journalled(results) == 400
    with closing(sqlite3.connect(results / "journal.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_same_run_cannot_be_written_by_two_processes(run_arguments: Arguments) -> None:
    with ChatServer(latency_s=600) as server:
        first = start(*run_arguments(server.base_url, 8))
        wait_until(lambda: server.received > 0)
        second = harness(*run_arguments(server.base_url, 8))
        assert first.poll() is None
        first.kill()
        first.communicate()
    assert second.returncode == 2
    assert "another process is working on" in error_line(second)


def wait_until(condition: Callable[[], bool], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
