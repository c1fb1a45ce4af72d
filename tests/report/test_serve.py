"""A served report is reached from this machine only, by its own name only."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.report.serve import report_server


@pytest.fixture
def server(folder: Path) -> Iterator[ThreadingHTTPServer]:
    with report_server(folder, 0) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def answer(server: ThreadingHTTPServer, path: str, host: str | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{server.server_port}"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_pages_and_data_are_served_with_the_policy(server: ThreadingHTTPServer) -> None:
    for path in ("/", "/run-1.html", "/data/shared.js", "/static/style.css"):
        response = answer(server, path)
        assert response.status == 200
        assert "default-src 'none'" in (response.getheader("Content-Security-Policy") or "")
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/../stored", "/%2e%2e/%2e%2e/etc/passwd", "/nothing.html"])
def test_nothing_outside_the_folder_is_served(server: ThreadingHTTPServer, path: str) -> None:
    assert answer(server, path).status == 404


def test_another_name_for_this_machine_is_turned_away(server: ThreadingHTTPServer) -> None:
    assert answer(server, "/", host=f"localhost:{server.server_port}").status == 200
    assert answer(server, "/", host=f"rebound.example:{server.server_port}").status == 421
    assert answer(server, "/", host="rebound.example").status == 421


def test_a_port_that_is_taken_is_told(server: ThreadingHTTPServer, folder: Path) -> None:
    with pytest.raises(InputError, match=f"--port {server.server_port} cannot be used"):
        report_server(folder, server.server_port)
