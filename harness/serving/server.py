"""The port of the service: taken before the models are loaded, answered when they are, given back in order."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.serving.guard import App, Limits

if TYPE_CHECKING:
    import uvicorn

LEAST_TOKEN = 16
"""Characters of a token: a shorter one can be guessed."""


def checked_token(token: str) -> str:
    """The token without white space around it; InputError for one that can be guessed or that no header can hold."""
    token = token.strip()
    if len(token) < LEAST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise InputError(
            f"the token must have {LEAST_TOKEN} or more letters, digits or signs: `openssl rand -hex 32` makes one"
        )
    return token


def bound_port(host: str, port: int) -> socket.socket:
    """A socket of this address that does not listen yet; port 0 takes a free one. InputError if it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        try:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(address)
        except BaseException:
            taken.close()
            raise
        return taken
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(f"--host {host} --port {port} cannot be used ({error}): give another port, or 0") from error


def http_server(app: App, limits: Limits) -> uvicorn.Server:
    """The server of the service, which writes no log; stopped, it answers what is in flight."""
    import uvicorn

    log = logging.getLogger("uvicorn")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http="h11",
        ws="none",
        loop="asyncio",
        timeout_graceful_shutdown=int(limits.seconds) + 1,
    )
    return uvicorn.Server(config)


def serve_until_stopped(app: App, taken: socket.socket, limits: Limits, tell: Callable[[str], None]) -> None:
    """Answer requests until Ctrl-C or SIGTERM; those in flight are then answered. ``tell`` is given the address."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = http_server(app, limits)
    # Uvicorn raises the signal that stopped it once more.
    with taken, suppress(KeyboardInterrupt):
        taken.listen(server.config.backlog)
        host, port, *_ = taken.getsockname()
        tell(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        server.run(sockets=[taken])
