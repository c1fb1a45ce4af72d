"""A model server as a child process: started, watched until it is healthy, and never left behind."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from harness.errors import FatalError, StorageError
from harness.redaction import redact
from runners import guard

FIRST_POLL_S, LONGEST_POLL_S = 0.05, 0.25
PROGRESS_EVERY_S = 15.0

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Of vLLM's and of llama.cpp's lines.
_PREFIX = re.compile(r"^\([A-Za-z_0-9]+ pid=\d+\)\s*|^[\d.]+ [A-Z] (?:llama_model_load: )?")
_ERROR = re.compile(r"^(?:[\w.]*(?:Error|Exception|Killed)\b|error loading model:|.*GGML_ASSERT).*")

log = logging.getLogger(__name__)
# Servers that are started together do not listen at once.
_GIVEN_PORTS: set[int] = set()


class ServerProcess:
    """A server run through ``runners.guard``, which ends it when this process ends in any way."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log_path: Path) -> None:
        """Start ``command``; its output goes to ``log_path``. Raises StorageError or FatalError."""
        self.log_path = log_path
        try:
            log_path.parent.mkdir(parents=True, exist_ok=True)
            output = log_path.open("wb")
        except OSError as error:
            raise StorageError(f"the server's log {log_path} cannot be written ({error})") from error
        with output:
            self._process = subprocess.Popen(
                guarded(command),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
            )

    async def wait_until_healthy(self, url: str, timeout_s: float | None) -> None:
        """Return once ``url`` answers with success; FatalError if the server dies or is too slow."""
        started = time.monotonic()
        told = started
        while True:
            self.check(" while starting")
            if await asyncio.to_thread(_answers, url):
                return
            now = time.monotonic()
            if timeout_s is not None and now - started > timeout_s:
                raise FatalError(
                    f"the model server was not ready after {timeout_s:g} s: "
                    f"{last_meaningful_line(self.log_path)} (log: {self.log_path}); "
                    "-M start_timeout_s=SECONDS waits longer"
                )
            if now - told >= PROGRESS_EVERY_S:
                told = now
                log.info("model server starting (%.0f s): %s", now - started, _last_line(self.log_path))
            await asyncio.sleep(min(LONGEST_POLL_S, max(FIRST_POLL_S, (now - started) / 4)))

    @property
    def has_stopped(self) -> bool:
        """Whether the server has ended by itself."""
        return self._process.poll() is not None

    def check(self, when: str = "") -> None:
        """Raise FatalError with the server's last words if it has stopped."""
        if self.has_stopped:
            raise FatalError(
                f"the model server stopped{when}: {last_meaningful_line(self.log_path)} (log: {self.log_path})"
            )

    async def stop(self) -> None:
        """End the server and its workers; safe to call twice."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        await asyncio.to_thread(self._process.wait)


def guarded(command: Sequence[str]) -> list[str]:
    """The command that runs ``command`` and ends it as soon as its own standard input, a pipe, is closed."""
    return [sys.executable, "-I", str(Path(guard.__file__).resolve()), *command]


def free_port() -> int:
    """A loopback port that nothing listens on at the moment, and that was not given before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _GIVEN_PORTS:
            _GIVEN_PORTS.add(port)
            return port


def last_meaningful_line(log_path: Path) -> str:
    """The line of a server's log that says why it stopped: the last error, else the last line.

    A chain of Python exceptions ends in ones that only say "see root cause above", so those are skipped.
    """
    errors = [line for line in _lines(log_path) if _ERROR.match(line) and "root cause" not in line.lower()]
    return errors[-1] if errors else _last_line(log_path)


def _last_line(log_path: Path) -> str:
    lines = _lines(log_path)
    return lines[-1] if lines else "its log is empty"


def _lines(log_path: Path) -> list[str]:
    text = log_path.read_text(encoding="utf-8", errors="replace")
    lines = (_PREFIX.sub("", _COLOUR.sub("", line)).strip() for line in text.splitlines())
    return [redact(line) for line in lines if line]


def _answers(url: str) -> bool:
    # A proxy of the environment has no business between this process and its own child.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5.0) as response:
            status: int = response.status
            return 200 <= status < 300
    except (urllib.error.URLError, OSError):
        return False
