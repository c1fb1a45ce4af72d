"""What a request must be before it reaches the service: from here or with the token, small, and not one too many."""

from __future__ import annotations

import asyncio
import hmac
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from harness import strict_json
from harness.loopback import calls_loopback
from harness.serving.metrics import Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

WITHOUT_TOKEN = ("/", "/docs", "/health")
"""Paths besides the pages' static files that tell nothing: a probe and a browser can read them without the token."""
STATIC = "/static"
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


@dataclass(frozen=True)
class Limits:
    """What one request may take, and how many there may be."""

    body_bytes: int = 64 * 1024
    """Some 11,000 words, which two cores read in half a minute."""
    requests: int = 16
    """With texts, at one time; one more is answered 429."""
    seconds: float = 60.0
    """From a request's first byte to its answer."""


@dataclass(frozen=True)
class Access:
    """Who may ask. ``loopback``: the service is reached from this machine only, and by its own names only."""

    loopback: bool
    token: str = ""
    """What `Authorization: Bearer` must have; empty where nothing is asked for."""


class Refusal(Exception):
    """A request that is not served, with the status and the reason of the answer."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Guard:
    """The service behind its conditions, as an ASGI application."""

    def __init__(self, app: App, access: Access, limits: Limits, metrics: Metrics, paths: tuple[str, ...]) -> None:
        """``paths`` are those that are counted by name."""
        self._app = app
        self._access = access
        self._limits = limits
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            self._check(scope)
            if scope["method"] == "POST":
                await self._serve_texts(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except Refusal as refusal:
            await answer.refuse(refusal)
        except Exception as error:
            print(f"a request failed: {type(error).__name__}", file=sys.stderr)
            await answer.refuse(Refusal(500, "the service failed"))
        finally:
            path = str(scope["path"])
            self._metrics.add_request(path if path in self._paths else "other", answer.status)

    def _check(self, scope: Message) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if self._access.loopback and not calls_loopback(host):
            raise Refusal(421, "this service answers to 127.0.0.1 and localhost only")
        # A page of another origin sends its own.
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refusal(403, "pages of other origins may not use this service")
        path = str(scope["path"])
        is_open = path in WITHOUT_TOKEN or path.startswith(f"{STATIC}/")
        if self._access.token and not is_open and not self._knows_token(headers.get(b"authorization", "")):
            raise Refusal(401, "send the service's token: Authorization: Bearer TOKEN", www_authenticate="Bearer")
        if scope["method"] != "POST":
            return
        # A form of another page can send other types without being asked, but not this one.
        if headers.get(b"content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "send JSON: Content-Type: application/json")
        if int(headers.get(b"content-length") or 0) > self._limits.body_bytes:
            raise self._too_large()

    def _knows_token(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        known = hmac.compare_digest(token.strip().encode(), self._access.token.encode())
        return known and scheme.lower() == "bearer"

    def _too_large(self) -> Refusal:
        size = f"{self._limits.body_bytes // 1024:,} KB"
        return Refusal(413, f"more than the {size} that a request may have: send fewer or shorter texts")

    async def _serve_texts(self, scope: Message, receive: Receive, answer: _Answer) -> None:
        """A request with texts, while there are not too many; given up when its time is over or nobody waits."""
        if self._metrics.in_flight >= self._limits.requests:
            raise Refusal(429, "too many requests at once: try again", retry_after="1")
        self._metrics.in_flight += 1
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.seconds):
                body = await self._body(receive)
                if body is not None:
                    await self._answered(scope, body, receive, answer)
        except TimeoutError:
            reason = f"not answered in {self._limits.seconds:g} s: send fewer or shorter texts, or try again"
            raise Refusal(503, reason, retry_after="1") from None
        finally:
            self._metrics.in_flight -= 1
            self._metrics.add_seconds(time.monotonic() - began)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None where the client has gone."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._limits.body_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    async def _answered(self, scope: Message, body: bytes, receive: Receive, answer: _Answer) -> None:
        """The service's answer, unless the client goes first."""

        async def given() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        work = asyncio.ensure_future(self._app(scope, given, answer))
        gone = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            work.cancel()
            gone.cancel()


class _Answer:
    """Sends an answer with the headers that all of them have, and knows its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        # What a request counts as whose client has gone.
        self.status = 499
        self._has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._has_begun = True
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """The reason as JSON, unless an answer has begun already."""
        if self._has_begun:
            return
        body = strict_json.dumps({"error": str(refusal)}).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
        # What of the body has not been read would be taken for the next request.
        headers["connection"] = "close"
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self({"type": "http.response.start", "status": refusal.status, "headers": encoded})
        await self({"type": "http.response.body", "body": body})
