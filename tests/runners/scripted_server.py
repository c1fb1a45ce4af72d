"""A loopback HTTP server whose answers a test scripts byte for byte, broken ones included."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

CLOSE = b""
HANG = b"hang"


@dataclass(frozen=True)
class Asked:
    """A request as the server received it; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, object]


Reply = Callable[[Asked], bytes]


def http(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """A complete response; ``body`` is sent as JSON, or as it is if it is text."""
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"HTTP/1.1 {status} Scripted", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content


def chat(text: str | None = "hello", finish_reason: str = "stop", **message: object) -> dict[str, object]:
    """The body of a successful chat completion."""
    return {
        "choices": [
            {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }


class ScriptedServer:
    """Answers each request with what ``reply`` returns: bytes, CLOSE (hang up) or HANG (never answer).

    What it ``tells`` of itself, by path, it answers without asking ``reply``; other paths to GET are not found.
    """

    def __init__(
        self, reply: Reply, tells: Mapping[str, object] | None = None, encrypted: ssl.SSLContext | None = None
    ) -> None:
        self.asked: list[Asked] = []
        self._reply = reply
        self._tells = tells or {}
        self._encrypted = encrypted

    @property
    def url(self) -> str:
        return f"http{'s' if self._encrypted else ''}://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> ScriptedServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._encrypted)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, path, _ = head[0].split(" ")
                if method == "GET" or path in self._tells:
                    told = self._tells.get(path)
                    writer.write(http(told or "", 200 if told else 404))
                    await writer.drain()
                    continue
                asked = Asked(path, headers, json.loads(body or b"{}"))
                self.asked.append(asked)
                answer = self._reply(asked)
                if answer == HANG:
                    await reader.read()
                    return
                writer.write(answer)
                await writer.drain()
                if not answer.startswith(b"HTTP") or b"truncate" in answer[:200]:
                    return
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            writer.close()
