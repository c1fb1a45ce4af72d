"""HTTP connections for many requests at once: several small pools in place of one large one.

httpx's pool looks at every one of its connections for every request; with 64 in flight that was a
third of the client's time. Imported only when a connection is made.
"""

from __future__ import annotations

import itertools

import httpx2

CONNECTIONS_PER_POOL = 8
# Shorter than the five seconds after which uvicorn and llama.cpp close a connection: one that both ends act on at the
# same moment costs a request.
KEEPALIVE_S = 3.0


class SpreadTransport(httpx2.AsyncBaseTransport):
    """Hands requests to its pools in turn; none of them limits how many connections it opens."""

    def __init__(self, connections: int, *, trust_env: bool) -> None:
        limits = httpx2.Limits(
            max_connections=None, max_keepalive_connections=2 * CONNECTIONS_PER_POOL, keepalive_expiry=KEEPALIVE_S
        )
        count = -(-connections // CONNECTIONS_PER_POOL)
        self._pools = [httpx2.AsyncHTTPTransport(limits=limits, trust_env=trust_env) for _ in range(count)]
        self._turn = itertools.cycle(self._pools)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await next(self._turn).handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()
