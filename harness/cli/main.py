"""Entry point of `harness`, so small that nothing can interrupt it before it can tell so.

An interruption while the commands are imported would otherwise end in a traceback through whatever was being imported.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from types import FrameType


def main() -> NoReturn:
    """Run the command line, and exit with its code."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _leave)
        if not sys.warnoptions:
            # They tell of what a library will change, about which no user can do anything; PYTHONWARNINGS shows them.
            warnings.simplefilter("ignore", FutureWarning)
        # Read when torch is loaded: threads that spin while they wait take the cores from those that work.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from harness.cli.commands import run_command
        from harness.cli.terminal import guarded_streams
        from runners.starting import is_loading

        if signal.getsignal(signal.SIGINT) is _leave:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        with guarded_streams():
            code = run_command()
        # All is done and told: an interruption of Python's own end would only show a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if is_loading():
            # A library that loads a model in a thread cannot be interrupted, and would crash at the interpreter's end.
            os._exit(code)
    except KeyboardInterrupt:
        _leave()
    sys.exit(code)


def _leave(_number: int = signal.SIGINT, _frame: FrameType | None = None) -> NoReturn:
    """End at once, without whatever Python would still do."""
    try:
        os.write(2, b"error: stopped; the same command goes on where its work is kept\n")
    finally:
        os._exit(3)


def __getattr__(name: str) -> Any:
    """The table of commands, which is imported when it is first asked for."""
    if name == "app":
        from harness.cli.commands import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
