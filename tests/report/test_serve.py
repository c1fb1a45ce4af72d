"""A served report is reached from this machine only, by its own name only."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.report.serve import report_server


@pytest.fixture
def server(folder: Path) -> Iterator[ThreadingHTTPServer]:
    with report_server(folder, 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
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


NO_REQUESTS = (
    b"GET /%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /%ff%ed%a0%80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET\r\n\r\n",
    b"\x16\x03\x01\xff\xfe\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    b"GET / HTTP/9.9.9\r\n\r\n",
)


def test_what_is_no_request_is_refused_without_a_word(
    server: ThreadingHTTPServer, capfd: pytest.CaptureFixture[str]
) -> None:
    for request in NO_REQUESTS:
        address = ("127.0.0.1", server.server_port)
        # The server may close before it has read all of a request that is too long.
        with socket.create_connection(address, timeout=20) as client, suppress(ConnectionError):
            client.sendall(request)
            assert b" 200 " not in client.recv(4096)
    assert answer(server, "/").status == 200
    assert capfd.readouterr().err == ""


def test_a_reader_that_leaves_is_passed_over(server: ThreadingHTTPServer, capfd: pytest.CaptureFixture[str]) -> None:
    left = threading.Event()
    shutdown_request = server.shutdown_request

    def noted(request: socket.socket) -> None:
        shutdown_request(request)
        left.set()

    server.shutdown_request = noted  # type: ignore[assignment,method-assign]
    client = socket.create_connection(("127.0.0.1", server.server_port), timeout=20)
    # Closing with unread data, and no lingering, is a reset: the server's next write fails.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sendall(b"GET /static/cytoscape.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    client.close()
    assert left.wait(20)
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_told(server: ThreadingHTTPServer, folder: Path) -> None:
    with pytest.raises(InputError, match=f"--port {server.server_port} cannot be used"):
        report_server(folder, server.server_port)
