"""The progress line tells what a run waits for, on a terminal and in a log."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from harness.cli import display
from harness.cli.display import PlainDisplay, RichDisplay, traffic_line
from harness.engine.asking import Traffic
from harness.store import RunFolder


async def test_a_log_gets_a_line_while_a_run_waits_and_none_after_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "PLAIN_INTERVAL_S", 0.001)
    traffic, shown = Traffic(), PlainDisplay()
    shown.started(RunFolder(Path("runs/some-run")), 40, traffic)
    with traffic.waiting.on("HTTP 429: slow down", 34.4):
        lines = ""
        while "waiting" not in lines:
            await asyncio.sleep(0.001)
            lines += capsys.readouterr().err
    shown.close()
    assert "0/40 documents, 0.00/s, 0 tokens, waiting 34 s: HTTP 429: slow down" in lines
    await asyncio.sleep(0.005)
    assert "waiting" not in capsys.readouterr().err


async def test_a_terminal_shows_what_a_run_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    traffic, shown = Traffic(), RichDisplay()
    with traffic.waiting.on("HTTP 429: [bold]slow[/bold] \x1b[31mdown", 34.4):
        shown.started(RunFolder(Path("runs/some-run")), 40, traffic)
        shown.close()
    printed = " ".join(capsys.readouterr().err.split())
    assert "waiting 34 s: HTTP 429: [bold]slow" in printed


def test_the_line_is_as_before_while_nothing_is_waited_for() -> None:
    assert traffic_line(Traffic(prompt_tokens=7, retried=2), Counter(ok=3, api_error=1)) == (
        "7 tokens, 2 retries, 1 api_error"
    )
