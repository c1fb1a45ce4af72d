"""Serving a report to browsers on this machine, and to nobody else."""

from __future__ import annotations

import io
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from harness.errors import InputError
from harness.loopback import LOOPBACK, calls_loopback
from harness.report.pages import POLICY


class ReportHandler(SimpleHTTPRequestHandler):
    """Files of the report's folder, with its policy as a header."""

    def do_GET(self) -> None:
        if self._is_for_us():
            super().do_GET()

    def do_HEAD(self) -> None:
        if self._is_for_us():
            super().do_HEAD()

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        try:
            return super().send_head()
        except ValueError:
            # A path that no file system can hold.
            self.send_error(HTTPStatus.NOT_FOUND)
            return None

    def _is_for_us(self) -> bool:
        """The name that was asked must be ours."""
        if calls_loopback(self.headers.get("Host", "")):
            return True
        self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "this server answers to 127.0.0.1 and localhost only")
        return False

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", f"{POLICY}; frame-ancestors 'none'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal shows the address, not every file."""


class ReportServer(ThreadingHTTPServer):
    """Says nothing of readers that leave, and tells any other failure in one line."""

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - of no use to the user
        error = sys.exception()
        if not isinstance(error, OSError):
            print(f"a request failed: {error!r}", file=sys.stderr)


def report_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of the folder on the loopback address; port 0 takes a free one. Raises InputError if it is taken."""
    try:
        return ReportServer((LOOPBACK, port), partial(ReportHandler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        raise InputError(f"--port {port} cannot be used ({error}): give another, or 0 for a free one") from error
