"""What a method would send first for a document, without a model."""

from __future__ import annotations

from contextlib import suppress

from harness.types import Completion, Document, Method, Request


class _Captured(Exception):
    """Ends the method at its first question."""


async def first_requests(method: Method, document: Document) -> list[Request]:
    """The requests of the method's first step; later steps depend on answers. Empty if it asks nothing."""
    requests: list[Request] = []

    async def capture(request: Request) -> Completion:
        requests.append(request)
        raise _Captured

    with suppress(_Captured):
        await method.extract(document, capture)
    return requests
