"""Running the real command line in a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.paths import REPOSITORY

COMMAND = [sys.executable, "-c", "from harness.cli.main import main; main()"]


def environment(**extra: str) -> dict[str, str]:
    """The test's environment without the user's own harness settings and keys."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HARNESS_") and not name.endswith("_API_KEY")
    }
    cache = {"HARNESS_CACHE_DIR": os.environ["HARNESS_CACHE_DIR"]} if "HARNESS_CACHE_DIR" in os.environ else {}
    return {**kept, **cache, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", **extra}


def start(*arguments: str | Path, cwd: Path | None = None, **extra: str) -> subprocess.Popen[str]:
    """A running `harness` command."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment(**extra),
        # Tests in the background, as CI may run them, would hand down that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def harness(
    *arguments: str | Path, cwd: Path | None = None, timeout_s: float = 600, **extra: str
) -> subprocess.CompletedProcess[str]:
    """A finished `harness` command."""
    process = start(*arguments, cwd=cwd, **extra)
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def harness_here(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A finished `harness` command in this process and environment, which starts in no time."""
    from harness.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    typed = ["harness", *map(str, arguments)]
    with patch.object(sys, "argv", typed), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(typed, code, out.getvalue(), err.getvalue())


def harness_json(*arguments: str | Path, cwd: Path | None = None, **extra: str) -> dict[str, Any]:
    """What a command that ends well prints with --json."""
    done = harness(*arguments, "--json", cwd=cwd, **extra)
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed command prints on stderr."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]
