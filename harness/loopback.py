"""The loopback address, and the names by which a server on it may be called."""

from __future__ import annotations

from ipaddress import ip_address

LOOPBACK = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether this name or address is reached from this machine only."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def calls_loopback(header: str) -> bool:
    """Whether a request's Host header names the loopback address.

    A page elsewhere could point a name of its own at this machine (DNS rebinding), and so read what is served here.
    """
    name, bracket, _ = header.removeprefix("[").partition("]") if header.startswith("[") else header.partition(":")
    return is_loopback(name) and (bracket == "]") == header.startswith("[")
