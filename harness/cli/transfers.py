"""Progress bars for downloads and for counted work, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from harness.cli.terminal import console

if TYPE_CHECKING:
    from harness.cli.options import Display


class Advance(Protocol):
    """Is called when ``count`` things more are done, of all that are ``known`` by now."""

    def __call__(self, count: int = 1, known: int | None = None) -> None: ...


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
def counting_progress(what: str, total: int | None, display: Display) -> Iterator[Advance]:
    """Yields a function to call with the things done; a bar on a terminal, lines in a log.

    Where ``total`` is None, it is told with what is done.
    """
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

        def advance(count: int = 1, known: int | None = None) -> None:
            nonlocal done, total
            done, total = done + count, known or total
            progress.update(task, advance=count, total=total, rate=f"{done / (time.perf_counter() - started):.1f}/s")

        yield advance
    if display == "plain":
        rate = done / max(time.perf_counter() - started, 1e-9)
        print(f"{done}/{total} {what}, {rate:.1f}/s", file=sys.stderr, flush=True)
