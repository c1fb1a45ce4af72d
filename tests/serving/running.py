"""A service in this process, over real HTTP on the loopback address, whose models can be held back."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn

from harness.extraction.inputs import Text
from harness.extraction.pipeline import Extractor, Outcome
from harness.serving.app import service
from harness.serving.guard import Access, Limits
from harness.serving.server import bound_port, http_server
from tests.extraction.rules import SCHEMA, EveryPair, KnownNames

TEXT = "Ada was born in London. Ada worked for Acme."


@dataclass(frozen=True)
class HeldExtractor(Extractor):
    """Reads when it may, and fails about a text with the word broken."""

    may_read: threading.Event = field(default_factory=threading.Event)

    def batch(self, texts: Sequence[Text], least: Sequence[float | None] | None = None) -> Iterator[Outcome]:
        self.may_read.wait(20)
        if any("broken" in one.text for one in texts):
            raise ZeroDivisionError
        return super().batch(texts, least)


@dataclass(frozen=True)
class Answered:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def content(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Running:
    """A service that runs; its models read while ``may_read`` is set."""

    port: int
    server: uvicorn.Server
    may_read: threading.Event

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answered:
        """The answer to one request; a body is sent as JSON."""
        connection = self.connection()
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            if body is not None:
                given = {"Content-Type": "application/json", **given}
            sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, sent, given)
            answer = connection.getresponse()
            return Answered(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def extract(self, body: object, **headers: str) -> Answered:
        return self.ask("POST", "/extract", body, **headers)

    def metric(self, name: str) -> float:
        lines = self.ask("GET", "/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(f"harness_{name} ")).split()[1])

    def wait_for(self, name: str, value: float) -> None:
        """Until a metric has this value: what others asked has then come so far."""
        while self.metric(name) != value:
            pass


@contextmanager
def running(access: Access | None = None, **limits: float) -> Iterator[Running]:
    """A service by rule until the end of the block."""
    rules = HeldExtractor(KnownNames(), EveryPair(), SCHEMA, "rule")
    rules.may_read.set()
    bounds = replace(Limits(), **limits)  # type: ignore[arg-type]
    server = http_server(service(rules, "names", access or Access(loopback=True), bounds), bounds)
    with bound_port("127.0.0.1", 0) as taken:
        taken.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        try:
            yield Running(taken.getsockname()[1], server, rules.may_read)
        finally:
            rules.may_read.set()
            server.should_exit = True
            thread.join()
