"""A full disk and a read-only folder are one clear line, and the journal stays whole."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.chat_server import ChatServer
from tests.commands import error_line, harness, harness_json

Arguments = Callable[..., list[str]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 600 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount program here to make a small file system with")
    if mounted.returncode:
        pytest.skip(f"not allowed to mount a small file system here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_is_one_line_and_the_run_goes_on_once_there_is_room(
    run_arguments: Arguments, small_disk: Path
) -> None:
    with ChatServer() as server:
        arguments = run_arguments(server.base_url, 600, "--results-dir", str(small_disk))
        full = harness(*arguments)
        assert full.returncode == 2, full.stderr
        assert "Free some space" in error_line(full)
        with closing(sqlite3.connect(small_disk / "journal.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            stored = connection.execute("SELECT count(*) FROM answers").fetchone()[0]
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        before = server.answered.total()
        assert harness_json(*arguments)["statuses"] == {"ok": 600}
        assert server.answered.total() - before == 600 - stored


def test_a_read_only_folder_is_one_line(run_arguments: Arguments, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with ChatServer() as server:
        done = harness(*run_arguments(server.base_url, 5, "--results-dir", str(small_disk / "results")))
    assert done.returncode == 2
    assert "writable" in error_line(done)
    assert server.received == 0


def test_a_results_folder_that_is_a_file_is_one_line(run_arguments: Arguments, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = harness(*run_arguments("http://127.0.0.1:9/v1", 5, "--results-dir", str(tmp_path / "file")))
    assert done.returncode == 2
    assert str(tmp_path / "file") in error_line(done)
