"""Where a server answers, and what goes with every request to it: query parameters, headers, Azure's ways."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from harness.errors import InputError
from harness.redaction import remember
from runners.options import HEADER_PREFIX, QUERY_PREFIX

CHATS = "/chat/completions"
FROM_ENVIRONMENT = "env:"
# Before a file of addresses, one a line.
FILE_PREFIX = "@"
_EXAMPLE = "an address such as http://127.0.0.1:8000/v1 is needed"
_AZURE_HOSTS = (".azure.com", ".azure.us", ".azure.cn", ".azure-api.net")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")


class Address(NamedTuple):
    """A server's base URL without query and final slash, its host, and its query."""

    url: str
    host: str
    query: str

    @property
    def is_local(self) -> bool:
        """Whether the server runs on this machine: no proxy is asked, and no key is needed."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")
        return address.is_loopback or address.is_unspecified

    @property
    def is_azure(self) -> bool:
        """Whether keys are sent in Azure's header, too."""
        return self.host.endswith(_AZURE_HOSTS) or "/openai/deployments/" in self.url

    @property
    def remedy(self) -> str:
        """What may be wrong with an address at which nothing is found; empty if nothing is known."""
        path = urlsplit(self.url).path
        if self.host.endswith(_AZURE_HOSTS) and "/openai/" not in path:
            return "a --base-url of Azure ends in /openai/v1 or /openai/deployments/NAME?api-version=DATE"
        return "" if re.search(r"/v\d|/openai|/api\b", path) else f"mostly a --base-url ends in /v1: {self.url}/v1"


def names_several(base_url: str | None) -> bool:
    """Whether ``--base-url`` names several servers, or a file of their addresses."""
    return base_url is not None and (base_url.startswith(FILE_PREFIX) or len(base_url.split()) > 1)


def read_address(base_url: str) -> Address:
    """The parts of a base URL without white space around it; the address of the chats below it stands for it, too.

    Raises InputError for what is no address of an HTTP server.
    """
    base_url = base_url.strip()
    shown = f"base URL {base_url.partition('?')[0]!r}"
    if base_url.lower().startswith(("unix:", "http+unix:", "/", "./")):
        raise InputError(f"{shown}: sockets of the file system are not supported: give the server a port")
    if re.match(r"https?://[^/\[@]*:[^/\[@]*:", base_url):
        raise InputError(f"{shown}: an IPv6 address stands in brackets, such as http://[::1]:8000/v1")
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError(f"{shown}: {_EXAMPLE}") from None
    if parts.scheme not in ("http", "https") or not host or port == 0 or re.search(r"\s", base_url):
        raise InputError(f"{shown}: {_EXAMPLE}")
    if parts.fragment:
        raise InputError(f"{shown}: a base URL has no part after #")
    path = parts.path.rstrip("/").removesuffix(CHATS).rstrip("/")
    return Address(f"{parts.scheme}://{parts.netloc}{path}", host, parts.query)


def given_headers(extra: Mapping[str, str]) -> dict[str, str]:
    """The headers of ``-M header.NAME=VALUE``; raises InputError for what no header can hold."""
    headers = _given(extra, HEADER_PREFIX)
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise InputError(f"-M {HEADER_PREFIX}{name}: no HTTP header can have this name, or its value")
    return headers


def given_query(extra: Mapping[str, str]) -> dict[str, str]:
    """The query parameters of ``-M query.NAME=VALUE``."""
    return _given(extra, QUERY_PREFIX)


def _given(extra: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Names and values; ``env:VARIABLE`` is what that variable of the environment holds, so that no file holds it."""
    return {key.removeprefix(prefix): _value(key, text) for key, text in extra.items() if key.startswith(prefix)}


def _value(key: str, text: str) -> str:
    if not text.startswith(FROM_ENVIRONMENT):
        return text
    variable = text.removeprefix(FROM_ENVIRONMENT)
    if value := os.environ.get(variable, "").strip():
        remember(value)
        return value
    raise InputError(f"-M {key}={text}: the environment variable {variable} is not set")
