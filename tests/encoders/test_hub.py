"""Encoders from a hub: its protocol spoken by a real server on loopback, its client the real one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.encoders.scores import PAIR_SCORES, ScoreFile
from harness.encoders.seen import SEEN
from harness.encoders.weights import CONFIG, TRAINING, WEIGHTS
from tests.commands import error_line, harness, harness_json

REVISION = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves the files of one repository as the hub does; ``asked`` are the paths requested."""

    def __init__(self, repository: str, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.repository, self.files = repository, files
        self.asked: list[str] = []

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
        if path.startswith(f"/api/models/{hub.repository}/tree/"):
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": _digest(content)}
                for name, content in hub.files.items()
            ]
            self._send(json.dumps(tree).encode(), with_body)
            return
        if path.startswith(f"/api/models/{hub.repository}"):
            siblings = [{"rfilename": name} for name in hub.files]
            self._send(json.dumps({"id": hub.repository, "sha": REVISION, "siblings": siblings}).encode(), with_body)
            return
        prefix = f"/{hub.repository}/resolve/{REVISION}/"
        if path.startswith(prefix) and path.removeprefix(prefix) in hub.files:
            self._send(hub.files[path.removeprefix(prefix)], with_body)
            return
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{_digest(content)}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Tests need no log."""


def _digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def hub(trained: Path) -> Iterator[Hub]:
    """A hub with the tiny trained encoder, and a file that must not be fetched."""
    files = {name: (trained / name).read_bytes() for name in (CONFIG, WEIGHTS, TRAINING, SEEN)}
    server = Hub("owner/tiny-atlop", {**files, "payload.pkl": b"never fetched"})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()


def test_an_encoder_is_fetched_from_the_hub_and_run(hub: Hub, trained: Path, corpus: Path, tmp_path: Path) -> None:
    place = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub")}
    run = ["run", "--dataset", corpus, "--results-dir", tmp_path]
    content = harness_json(*run, "--model", "encoder/owner/tiny-atlop", **place)
    here = harness_json(*run, "--model", trained)
    assert content["metrics"] == here["metrics"]
    assert content["seen_documents"] == here["seen_documents"]
    assert len(ScoreFile(Path(content["run_dir"]) / PAIR_SCORES)) == 24
    assert not any(path.endswith("payload.pkl") for path in hub.asked)


def test_a_repository_that_there_is_not_is_told_in_one_line(hub: Hub, corpus: Path, tmp_path: Path) -> None:
    place = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub")}
    failed = harness("run", "--dataset", corpus, "--results-dir", tmp_path, "--model", "encoder/owner/absent", **place)
    assert failed.returncode == 2
    assert "owner/absent: cannot be fetched from the hub" in error_line(failed)
