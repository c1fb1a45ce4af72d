"""Progress bars for downloads and for counted work, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.cli.terminal import console

if TYPE_CHECKING:
    from harness.cli.options import Display


@contextmanager
def transfer_progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Yields a function to call with a file's name, the bytes had so far and the total, if known."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console(stderr=True)) as progress:
        tasks = {}

        def update(name: str, have: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=have, total=total)

        yield update


@contextmanager
def counting_progress(what: str, total: int, display: Display) -> Iterator[Callable[[], None]]:
    """Yields a function to call for each thing done; a bar on a terminal, a line at the end in a log."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(what),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    started, done = time.perf_counter(), 0
    with Progress(*columns, console=console(stderr=True), disable=display != "rich") as progress:
        task = progress.add_task("", total=total, rate="")

        def advance() -> None:
            nonlocal done
            done += 1
            progress.update(task, advance=1, rate=f"{done / (time.perf_counter() - started):.1f}/s")

        yield advance
    if display == "plain":
        rate = done / max(time.perf_counter() - started, 1e-9)
        print(f"{done}/{total} {what}, {rate:.1f}/s", file=sys.stderr, flush=True)
