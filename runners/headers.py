"""The headers of every request to a server that speaks OpenAI's API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runners.addresses import Address, given_headers

if TYPE_CHECKING:
    import httpx2

# Sent with OpenAI's own key, as its clients do.
_OF_OPENAI_KEY = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}


def request_headers(address: Address, key: str, variable: str, extra: Mapping[str, str]) -> httpx2.Headers:
    """The headers with the ``key`` of an environment ``variable``; those that the user gives take others' place.

    ``key`` is empty where none is to be sent.
    """
    import httpx2

    headers = httpx2.Headers({"Accept": "application/json", "User-Agent": "docre-harness"})
    if key:
        headers["Authorization"] = f"Bearer {key}"
        if address.is_azure:
            headers["api-key"] = key
        if variable == "OPENAI_API_KEY":
            headers.update({name: os.environ[it] for name, it in _OF_OPENAI_KEY.items() if os.environ.get(it)})
    headers.update(given_headers(extra))
    return headers
