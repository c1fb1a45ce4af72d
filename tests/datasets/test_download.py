"""``fetch`` against a real HTTP server: checksums, resuming, retrying, and clear lines when it cannot."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tenacity import wait_none

from harness.datasets import download, registry
from harness.datasets.download import fetch, git_blob_id
from harness.datasets.relation_table import read_schema
from harness.errors import InputError, StorageError

CONTENT = {name: bytes(range(256)) * 4000 + name.encode() for name in ("train", "dev", "test")}


class FileServer(ThreadingHTTPServer):
    """Serves CONTENT as ``<split>_revised.json`` and logs each request's file, Range header and bytes sent.

    ``statuses`` are answered first, one a request; ``cut_after`` bytes of a body the connection closes, once
    for each item; ``ranges`` False ignores Range headers; ``bodies`` replaces what is served.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = {f"{split}_revised.json": body for split, body in CONTENT.items()}
        self.statuses: list[int] = []
        self.cut_after: list[int] = []
        self.ranges = True
        self.log: list[tuple[str, str | None, int]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data"


class Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        name = self.path.removeprefix("/data/")
        wanted = self.headers["Range"]
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if name not in self.server.bodies:
            status = 404
        body = self.server.bodies.get(name, b"") if status == 200 else b""
        if wanted and status == 200 and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            status, body = (206, body[start:]) if start < len(body) else (416, b"")
        cut = self.server.cut_after.pop(0) if self.server.cut_after and body else len(body)
        self.server.log.append((name, wanted, len(body[:cut])))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output clean; requests are in the server's own log."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A running file server, with the registry's checksums pinned to its content."""
    splits = {split: registry.CorpusFile(f"{split}_revised.json", blob_id(body)) for split, body in CONTENT.items()}
    table = {**registry.CORPORA, "redocred": replace(registry.CORPORA["redocred"], splits=splits)}
    monkeypatch.setattr(registry, "CORPORA", table)
    monkeypatch.setattr(download, "WAIT", wait_none())
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def blob_id(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(body), body)).hexdigest()


def test_all_splits_and_the_relation_table_arrive(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    paths = fetch(
        "redocred",
        tmp_path / "new" / "folder",
        base_url=server.url,
        progress=lambda name, done, total: seen.append((name, done, total)),
    )
    assert [path.name for path in paths] == [
        "train_revised.json",
        "dev_revised.json",
        "test_revised.json",
        "rel_info.json",
    ]
    assert paths[1].read_bytes() == CONTENT["dev"]
    assert len(read_schema(paths[3]).relations) == 96
    assert {path.name for path in paths[0].parent.iterdir()} == {path.name for path in paths}
    for split, body in CONTENT.items():
        assert (f"{split}_revised.json", len(body), len(body)) in seen


def test_the_pinned_relation_table_is_the_packaged_one() -> None:
    corpus = registry.CORPORA["redocred"]
    assert git_blob_id(registry.PACKAGE / corpus.packaged_relations) == corpus.relations.blob_id


def test_what_is_there_and_verified_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    fetch("redocred", tmp_path, base_url=server.url)
    (tmp_path / "test_revised.json").write_bytes(b"altered")
    (tmp_path / "rel_info.json").write_bytes(b"{}")
    server.log.clear()
    fetch("redocred", tmp_path, base_url=server.url)
    assert server.log == [("test_revised.json", None, len(CONTENT["test"]))]
    assert (tmp_path / "test_revised.json").read_bytes() == CONTENT["test"]
    assert len(read_schema(tmp_path / "rel_info.json").relations) == 96


def test_a_cut_connection_is_resumed_where_it_broke(server: FileServer, tmp_path: Path) -> None:
    server.cut_after = [700_001, 100_000]
    fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
    rest = len(CONTENT["dev"]) - 800_001
    assert server.log == [
        ("dev_revised.json", None, 700_001),
        ("dev_revised.json", "bytes=700001-", 100_000),
        ("dev_revised.json", "bytes=800001-", rest),
    ]
    assert (tmp_path / "dev_revised.json").read_bytes() == CONTENT["dev"]


def test_an_abandoned_download_is_resumed_by_the_next_command(server: FileServer, tmp_path: Path) -> None:
    server.cut_after = [1000] * download.ATTEMPTS
    with pytest.raises(InputError, match=r"closed at byte 5,000 of .* 5,000 bytes are kept, run the command"):
        fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
    assert not (tmp_path / "dev_revised.json").exists()
    fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
    assert server.log[-1] == ("dev_revised.json", "bytes=5000-", len(CONTENT["dev"]) - 5000)
    assert (tmp_path / "dev_revised.json").read_bytes() == CONTENT["dev"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    server.cut_after = [5000]
    fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
    assert server.log[-1] == ("dev_revised.json", "bytes=5000-", len(CONTENT["dev"]))
    assert (tmp_path / "dev_revised.json").read_bytes() == CONTENT["dev"]


@pytest.mark.parametrize(
    "left_over",
    [b"of another version", CONTENT["dev"] + b"and more", b"?" * len(CONTENT["dev"])],
    ids=["shorter", "longer", "same length"],
)
def test_the_rest_of_another_version_is_thrown_away(server: FileServer, tmp_path: Path, left_over: bytes) -> None:
    (tmp_path / "dev_revised.json.part").write_bytes(left_over)
    fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
    assert (tmp_path / "dev_revised.json").read_bytes() == CONTENT["dev"]


def test_a_complete_part_file_is_verified_and_taken(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "dev_revised.json.part").write_bytes(CONTENT["dev"])
    fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
    assert [sent for _, _, sent in server.log] == [0]
    assert (tmp_path / "dev_revised.json").read_bytes() == CONTENT["dev"]


def test_wrong_bytes_are_removed_and_reported(server: FileServer, tmp_path: Path) -> None:
    server.bodies["dev_revised.json"] = b"<html>please log in</html>"
    with pytest.raises(InputError) as caught:
        fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
    assert "not the pinned file" in str(caught.value)
    assert blob_id(CONTENT["dev"]) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_passing_failure_is_tried_again(server: FileServer, tmp_path: Path, status: int) -> None:
    server.statuses = [status, status]
    fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
    assert len(server.log) == 3
    assert (tmp_path / "dev_revised.json").read_bytes() == CONTENT["dev"]


def test_a_lasting_failure_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.statuses = [503] * download.ATTEMPTS
    with pytest.raises(InputError, match=r"gave up after 5 attempts \(HTTP 503 .*nothing was received"):
        fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
    assert len(server.log) == download.ATTEMPTS


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_final_refusal_is_not_tried_again(server: FileServer, tmp_path: Path, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(InputError, match=f"HTTP {status} .*; check --base-url"):
        fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
    assert len(server.log) == 1


def test_an_unreachable_server_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "WAIT", wait_none())
    with FileServer() as closed:
        url = closed.url
    with pytest.raises(InputError, match=r"gave up after 5 attempts .*refused"):
        fetch("redocred", tmp_path, base_url=url, splits=["dev"])


def test_the_environment_names_another_server(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_REDOCRED_URL", server.url + "/")
    fetch("redocred", tmp_path, splits=["test"])
    assert [name for name, _, _ in server.log] == ["test_revised.json"]


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("sample", {}, "nothing to fetch"),
        ("redocrd", {}, "did you mean redocred"),
        ("redocred", {"splits": ["dev", "dve"]}, "no split 'dve'"),
        ("redocred", {"base_url": "file:///etc"}, "starts with https://"),
        ("redocred", {"base_url": "http://127.0.0.1:many"}, "not an address"),
    ],
)
def test_what_cannot_be_fetched_is_refused(tmp_path: Path, name: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        fetch(name, tmp_path, **options)


def test_a_target_that_cannot_be_a_folder_is_a_storage_error(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written: Not a directory"):
        fetch("redocred", tmp_path / "file" / "data", base_url=server.url)
    assert server.log == []


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_storage_error(server: FileServer, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="cannot be written: Permission denied"):
        fetch("redocred", tmp_path, base_url=server.url)
    tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_storage_error(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "dev_revised.json.part").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left on device; make room"):
        fetch("redocred", tmp_path, base_url=server.url, splits=["dev"])
