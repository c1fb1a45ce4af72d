"""HTTP connections for many requests at once, in several small pools; answers of bounded length; no way elsewhere.

httpx's pool looks at every one of its connections for every request; with 64 in flight that was a
third of the client's time. Imported only when a connection is made.
"""

from __future__ import annotations

import itertools
import json
import ssl
from typing import Any

import httpx2

from harness.errors import FatalError, RequestError

CONNECTIONS_PER_POOL = 8
# Shorter than the five seconds after which uvicorn and llama.cpp close a connection: one that both ends act on at the
# same moment costs a request.
KEEPALIVE_S = 3.0
# Some 10,000 tokens with 20 alternatives each, 150 bytes an alternative.
LONGEST_ANSWER = 32 << 20
MOST_REDIRECTS = 3
_OF_THE_TRANSFER = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding"})


class SpreadTransport(httpx2.AsyncBaseTransport):
    """Hands requests to its pools in turn; none of them limits how many connections it opens."""

    def __init__(self, connections: int, certificates: ssl.SSLContext, proxy: httpx2.Proxy | None) -> None:
        limits = httpx2.Limits(
            max_connections=None, max_keepalive_connections=2 * CONNECTIONS_PER_POOL, keepalive_expiry=KEEPALIVE_S
        )
        count = -(-connections // CONNECTIONS_PER_POOL)
        self._pools = [
            httpx2.AsyncHTTPTransport(verify=certificates, limits=limits, proxy=proxy, trust_env=False)
            for _ in range(count)
        ]
        self._turn = itertools.cycle(self._pools)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await next(self._turn).handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()


class BoundedClient(httpx2.AsyncClient):
    """A client whose answers are read whole and never longer than ``LONGEST_ANSWER``, as text in UTF-8.

    The bound holds after decompression, too. What no charset can read is replaced, character by character. A redirect
    is followed only where it stays with the server: prompt and key go nowhere else.
    """

    async def opened(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request and return its answer to be read as it comes, and closed; redirects are not followed."""
        return await super().send(request, stream=True, follow_redirects=False)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send the request; RequestError for an answer that is too long. ``stream=True`` is read whole, too.

        Raises FatalError for a redirect to another server, to no address, or one that would drop the request's body.
        """
        options |= {"stream": True, "follow_redirects": False}
        response = await super().send(request, **options)
        for _ in range(MOST_REDIRECTS):
            if not response.has_redirect_location:
                break
            await response.aclose()
            request = _redirected(request, response)
            response = await super().send(request, **options)
        else:
            await response.aclose()
            raise FatalError(f"{request.url.copy_with(query=None)} redirects again and again: check --base-url")
        if response.is_redirect:
            await response.aclose()
            raise FatalError(
                f"{request.url.copy_with(query=None)} redirects (HTTP {response.status_code}) and names no address: "
                "check --base-url"
            )
        content = bytearray()
        try:
            async for part in response.aiter_bytes():
                content += part
                if len(content) > LONGEST_ANSWER:
                    raise RequestError(
                        f"the server's answer (HTTP {response.status_code}) is longer than {LONGEST_ANSWER >> 20} MiB"
                    )
        finally:
            await response.aclose()
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        # Of a good answer, only the type is read.
        headers = response.headers.multi_items() if response.is_error else []
        headers = [item for item in headers if item[0].lower() not in _OF_THE_TRANSFER]
        return httpx2.Response(
            response.status_code,
            headers=[*headers, ("content-type", f"{media_type or 'text/plain'}; charset=utf-8")],
            content=decoded(bytes(content), response.charset_encoding).encode("utf-8", "replace"),
            request=response.request,
        )


def _redirected(request: httpx2.Request, response: httpx2.Response) -> httpx2.Request:
    """The request that a redirect of the same server asks for."""
    target = response.next_request
    here = f"{request.url.copy_with(query=None)} redirects (HTTP {response.status_code})"
    if target is None:
        raise FatalError(f"{here} to an address that is none")
    there = target.url.copy_with(query=None, username=None, password=None)
    if _origin(target.url) != _origin(request.url):
        raise FatalError(
            f"{here} to another server, {there}: the request and its key are not sent there; if it is right, "
            "name it with --base-url"
        )
    if target.method != request.method:
        raise FatalError(f"{here} to {there}, without the request: check --base-url, and whether a login is needed")
    return target


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def decoded(content: bytes, charset: str | None) -> str:
    """The text of an answer: UTF-8, 16 or 32 by its first bytes, else in the ``charset`` that the server names."""
    encodings = [json.detect_encoding(content), *([charset] if charset else [])]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except (LookupError, ValueError):
            # Not a charset, or not this one. A codec of another kind, such as hex, is a LookupError.
            continue
    return content.decode("utf-8", "replace")
