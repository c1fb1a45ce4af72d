"""Watching a run: a rich progress bar, plain lines for logs and CI, or nothing. All of it on stderr."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from harness.cli.options import Display
from harness.cli.terminal import console
from harness.engine.asking import Traffic
from harness.engine.documents import DocumentResult
from harness.runs.execute import Unwatched
from harness.store import RunFolder

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_INTERVAL_S = 10.0
# Lines that say only what is waited for come less and less often.
LONGEST_INTERVAL_S = 320.0


class QuietDisplay(Unwatched):
    """Says nothing."""

    def close(self) -> None:
        pass


class PlainDisplay(QuietDisplay):
    """One line every ten seconds while documents end or the run waits, and one at the end."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._interval_s = PLAIN_INTERVAL_S
        self._total = 0
        self._traffic = Traffic()
        self._statuses: Counter[str] = Counter()
        self._started = self._last = time.monotonic()

    def started(self, run: RunFolder, total: int, traffic: Traffic) -> None:
        self._total, self._traffic = total, traffic
        self._started = self._last = time.monotonic()
        self._print(f"run {run.run_id}: {total} document{'' if total == 1 else 's'}")
        self._watch()

    def finished(self, result: DocumentResult) -> None:
        self._statuses[result.extraction.status] += 1
        self._interval_s = PLAIN_INTERVAL_S
        if time.monotonic() - self._last >= PLAIN_INTERVAL_S or self._statuses.total() == self._total:
            self._print_progress()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _watch(self) -> None:
        """Look again and again what the run waits for, as no document may end for long."""
        if time.monotonic() - self._last >= self._interval_s and self._traffic.waiting.in_words():
            self._print_progress()
            self._interval_s = min(2 * self._interval_s, LONGEST_INTERVAL_S)
        self._timer = asyncio.get_running_loop().call_later(PLAIN_INTERVAL_S / 10, self._watch)

    def _print_progress(self) -> None:
        self._last = time.monotonic()
        done = self._statuses.total()
        rate = done / max(self._last - self._started, 1e-9)
        left = f" {_clock((self._total - done) / rate)} left," if done else ""
        line = traffic_line(self._traffic, self._statuses)
        self._print(f"{done}/{self._total} documents, {rate:.2f}/s,{left} {line}")

    def stopping(self) -> None:
        self._print("stopping: waiting for the requests in flight (again to stop at once)")

    def _print(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class RichDisplay(QuietDisplay):
    """A progress bar with rate, time left, tokens and failures."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            Task,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        display = self

        class TrafficColumn(ProgressColumn):
            """Drawn anew all the time: what a run waits for changes while no document ends."""

            def render(self, task: Task) -> Text:  # noqa: ARG002 - there is one
                return Text(traffic_line(display._traffic, display._statuses), style="dim")

        self._progress: Progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("documents"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TrafficColumn(),
            console=console(stderr=True),
        )
        self._task = self._progress.add_task("", total=None, rate="")
        self._traffic = Traffic()
        self._statuses: Counter[str] = Counter()
        self._started = time.monotonic()

    def started(self, run: RunFolder, total: int, traffic: Traffic) -> None:
        self._traffic = traffic
        self._started = time.monotonic()
        from rich.text import Text

        self._progress.console.print(Text.assemble("run ", (run.run_id, "bold")))
        self._progress.update(self._task, total=total)
        self._progress.start()

    def finished(self, result: DocumentResult) -> None:
        self._statuses[result.extraction.status] += 1
        rate = self._statuses.total() / max(time.monotonic() - self._started, 1e-9)
        self._progress.update(self._task, advance=1, rate=f"{rate:.2f}/s")

    def stopping(self) -> None:
        self._progress.console.print("stopping: waiting for the requests in flight (Ctrl-C again: stop at once)")

    def close(self) -> None:
        self._progress.stop()


def make_display(kind: Display) -> QuietDisplay:
    if kind == "none":
        return QuietDisplay()
    return RichDisplay() if kind == "rich" else PlainDisplay()


def default_display() -> Display:
    """A bar on a terminal, lines elsewhere."""
    return "rich" if sys.stderr.isatty() else "plain"


def chosen_display(display: Display | None, as_json: bool) -> Display:
    """How a command shows its progress; unless it shows none, what runners tell of slow starts is shown from now on."""
    kind = display or ("none" if as_json else default_display())
    if kind != "none":
        log_to_stderr()
    return kind


def log_to_stderr() -> None:
    """Show what runners tell of slow starts: downloads, servers that load their weights."""
    logger = logging.getLogger("runners")
    logger.setLevel(logging.INFO)
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler(sys.stderr))


def traffic_line(traffic: Traffic, statuses: Counter[str]) -> str:
    """Tokens of this session, answers from the journal, retries, documents not ok, and what is waited for."""
    about = "about " if traffic.estimated else ""
    parts = [f"{about}{traffic.prompt_tokens + traffic.completion_tokens:,} tokens"]
    if traffic.replayed:
        parts.append(f"{traffic.replayed} from the journal")
    if traffic.retried:
        parts.append(f"{traffic.retried} retries")
    parts += [f"{count} {status}" for status, count in sorted(statuses.items()) if status != "ok"]
    if waiting := traffic.waiting.in_words():
        parts.append(waiting)
    return ", ".join(parts)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600:d}:{int(seconds) % 3600 // 60:02d}:{int(seconds) % 60:02d}"
