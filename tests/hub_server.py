"""A hub on loopback that speaks the protocol of huggingface.co for the files of one repository."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

REVISION = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves the files of one repository, of models or of ``datasets``, from ``with`` to its end.

    ``asked`` are the paths requested.

    ``cut_at`` ends the next file after so many bytes; ``gated`` refuses everything; ``failing`` answers 500 for files.
    ``sent`` are contents that files are sent with in place of their own, whose checksums are told if ``states_sums``.
    """

    def __init__(self, repository: str, files: dict[str, bytes], kind: str = "models") -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.repository, self.files = repository, files
        self.api = f"/api/{kind}/{repository}"
        self.content = f"/{repository}/resolve/" if kind == "models" else f"/{kind}/{repository}/resolve/"
        self.asked: list[str] = []
        self.ranges: list[str] = []
        self.sent: dict[str, bytes] = {}
        self.cut_at = 0
        self.gated = False
        self.failing = False
        self.states_sums = True

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        hub, path = self.server, self.path.split("?")[0]
        hub.asked.append(path)
        if hub.gated:
            self._refuse(403, "GatedRepo")
        elif path.startswith(f"{hub.api}/tree/"):
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": _digest(content)}
                for name, content in hub.files.items()
            ]
            self._send(json.dumps(tree).encode(), with_body)
        elif path.startswith(hub.api):
            siblings = [_sibling(*file) for file in hub.files.items()]
            if not hub.states_sums:
                siblings = [{"rfilename": one["rfilename"]} for one in siblings]
            info = {"id": hub.repository, "sha": REVISION, "siblings": siblings}
            self._send(json.dumps(info).encode(), with_body)
        elif (name := path.removeprefix(f"{hub.content}{REVISION}/")) in hub.files:
            if hub.failing:
                self._refuse(400, "")
            else:
                self._send(hub.sent.get(name, hub.files[name]), with_body)
        else:
            self._refuse(404, "EntryNotFound" if f"/{hub.repository}/" in path else "RepoNotFound")

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes, with_body: bool) -> None:
        asked = self.headers.get("Range", "")
        self.server.ranges += [asked] if asked and with_body else []
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{_digest(content)}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if with_body and self.server.cut_at and not self.path.startswith("/api"):
            content, self.server.cut_at = content[: self.server.cut_at], 0
            self.close_connection = True
        if with_body:
            self.wfile.write(content[start:])

    def log_message(self, format: str, *args: object) -> None:
        """Tests need no log."""


def _sibling(name: str, content: bytes) -> dict[str, object]:
    large = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return {"rfilename": name, "size": len(content), **({"lfs": large} if name.endswith(".gguf") else {})}


def _digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
