"""What reaches the terminal: text without control characters, in any encoding, whoever has closed the other end.

Titles, names, models' answers and servers' messages may hold escape sequences that would act on a terminal. All that
the commands print goes through the two streams that :func:`guarded_streams` puts in place. Rich's own sequences go past
them: :func:`console` cleans the text before Rich adds any.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from harness.errors import StorageError
from harness.visible import visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment


class _Output:
    """What text is written to, until it can be written no more.

    When the reader has gone (``| head``), the rest is dropped and the command goes on to its end. Where output cannot
    be written otherwise, every further attempt raises StorageError; of ``stderr`` nobody could be told.
    """

    def __init__(self, stream: TextIO, *, is_told: bool) -> None:
        self.stream = stream
        self._is_told = is_told
        self._failure: StorageError | None = None

    def send(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            # Python flushes the stream once more at its end, which must not fail again.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
            if self._is_told and not isinstance(error, BrokenPipeError):
                self._failure = StorageError(f"cannot write the output: {error}; send it elsewhere")
        if self._failure:
            raise self._failure


class GuardedStream(io.TextIOBase):
    """A standard stream that writes visible text, or any with ``is_exact``; what its encoding has not is escaped."""

    def __init__(self, output: _Output, *, is_exact: bool = False) -> None:
        self._output = output
        self._stream = output.stream
        self._is_exact = is_exact

    @property
    def exact(self) -> GuardedStream:
        """The same stream for text that may act on a terminal."""
        return GuardedStream(self._output, is_exact=True)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        shown = text if self._is_exact else visible(text)
        if shown:
            self._output.send(lambda: self._stream.write(shown))
        return len(text)

    def flush(self) -> None:
        self._output.send(self._stream.flush)

    def close(self) -> None:
        """Streams of the process stay open."""


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Within the block, standard output and error are guarded streams; a closed one leads to nowhere."""
    # A file that is opened later must not take the number of a closed stream: what is printed would end in it.
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(nowhere)
    streams = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, GuardedStream(_Output(stream, is_told=name == "stdout")))
    try:
        yield
    finally:
        with suppress(StorageError):
            sys.stdout.flush()
        sys.stdout, sys.stderr = streams


def print_exact(text: str) -> None:
    """Print the text byte for byte, unless on a terminal."""
    stream = sys.stdout
    print(text, file=stream.exact if isinstance(stream, GuardedStream) and not stream.isatty() else stream)


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Rich's console on a standard stream: its styles and cursor movements act, the text that it is given does not."""
    from rich.console import Console

    class VisibleConsole(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else segment._replace(text=visible(segment.text))

    stream = sys.stderr if stderr else sys.stdout
    file: Any = stream.exact if isinstance(stream, GuardedStream) else stream
    return VisibleConsole(file=file, stderr=stderr, highlight=False, markup=False, width=width)
