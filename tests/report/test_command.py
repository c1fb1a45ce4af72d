"""`harness report` from the command line."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path

from tests.commands import error_line, harness, start
from tests.report.stored import StoredRuns


def test_the_report_is_written_and_told(stored: StoredRuns, tmp_path: Path) -> None:
    arguments = ["report", "--results-dir", stored.results, "--runs", stored.part.folder.run_id, "--out"]
    told = harness(*arguments, tmp_path / "one")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("1 runs, 3 documents, ")
    assert "3/3 documents" in told.stderr
    content = json.loads(harness(*arguments, tmp_path / "two", "--json").stdout)
    assert Path(content["index"]).is_file()
    assert (content["runs"], content["documents"], content["problems"]) == (1, 3, [])


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    assert "no runs under" in error_line(harness("report", cwd=tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("", encoding="utf-8")
    assert "is no report" in error_line(harness("report", "--out", "mine", cwd=tmp_path))
    assert (tmp_path / "mine" / "thesis.txt").is_file()
    assert "leave out --serve" in error_line(harness("report", "--json", "--serve", cwd=tmp_path))


def test_serving_ends_with_an_interruption(stored: StoredRuns, tmp_path: Path) -> None:
    arguments = ["--results-dir", stored.results, "--runs", stored.part.folder.run_id, "--out", tmp_path / "report"]
    process = start("report", *arguments, "--serve")
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        address = lines[1].split()[1]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=20) as page:
            assert b"Document-level relation extraction" in page.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.communicate()
