"""A small real HTTP server that speaks the chat-completions protocol, answers by rule, and can misbehave.

It counts what it answered, so that tests can tell whether a request was sent twice. As a program
(``python -m tests.chat_server --latency 0.05``) it serves benchmarks from a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Self

ENTITY_LINE = re.compile(r"^(E\d+): ", re.MULTILINE)
RELATION_LINE = re.compile(r"^- (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Fault:
    """How to misbehave: a status with headers and body, or one of the kinds below.

    ``kind``: status, close (no answer), half (half a body, then close), hang (no answer for long), gone (no answer,
    and no connection from then on).
    """

    kind: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = '{"error": {"message": "scripted failure"}}'


def answer_by_rule(body: dict[str, Any]) -> dict[str, Any]:
    """A valid answer that depends on the prompt alone: up to four triplets drawn by its hash."""
    prompt = body["messages"][-1]["content"]
    entities, relations = ENTITY_LINE.findall(prompt), RELATION_LINE.findall(prompt)
    digest = hashlib.sha256(prompt.encode()).digest()
    lines = []
    if len(entities) > 1 and relations:
        for number in range(digest[0] % 5):
            head, step, relation = digest[3 * number + 1 : 3 * number + 4]
            tail = (head + 1 + step % (len(entities) - 1)) % len(entities)
            lines.append(
                f"({entities[head % len(entities)]} | {relations[relation % len(relations)]} | {entities[tail]})\n"
            )
    return completion("".join(lines) + "END", len(prompt) // 4)


def completion(text: str | None, prompt_tokens: int = 10, finish_reason: str = "stop") -> dict[str, Any]:
    """A chat-completions body with one choice."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": len(text or "") // 4,
            "total_tokens": prompt_tokens + len(text or "") // 4,
        },
    }


Rule = Callable[[dict[str, Any]], dict[str, Any]]
Misbehave = Callable[[int, dict[str, Any]], Fault | None]


class ChatServer:
    """Serves on a free loopback port, in a thread, from ``with`` to its end."""

    def __init__(
        self,
        rule: Rule = answer_by_rule,
        misbehave: Misbehave = lambda _n, _b: None,
        latency_s: float = 0.0,
        tells: Mapping[str, object] = MappingProxyType({}),
        port: int = 0,
    ) -> None:
        self.port = port
        self.tells = tells
        self.rule = rule
        self.misbehave = misbehave
        self.latency_s = latency_s
        self.answered: Counter[str] = Counter()
        self.received = 0
        self.authorizations: set[str] = set()
        self.last_head = ""
        self.most_in_flight = 0
        self._in_flight = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self.start(self.port), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _stop(self) -> None:
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            # The client has gone, or the test is over.
            return
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:] if line)
        }
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        if head.startswith("GET "):
            told = self.tells.get(head.split(" ")[1])
            status = told if isinstance(told, int) else 404 if told is None else 200
            await _write(writer, status, (), json.dumps(told or {}))
            return True
        self.received += 1
        self.last_head = head
        self.authorizations.add(headers.get("authorization", ""))
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            return await self._answer(json.loads(raw), writer)
        finally:
            self._in_flight -= 1

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        fault = self.misbehave(self.received, body)
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        if fault is None:
            text = json.dumps(self.rule(body))
            self.answered[json.dumps(body["messages"])] += 1
            await _write(writer, 200, (), text)
            return True
        if fault.kind == "gone":
            self._server.close()
        if fault.kind in ("close", "gone"):
            return False
        if fault.kind == "hang":
            await asyncio.sleep(3600)
        if fault.kind == "half":
            text = json.dumps(self.rule(body))
            header = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
            writer.write((header + text[: len(text) // 2]).encode())
            await writer.drain()
            return False
        await _write(writer, fault.status, fault.headers, fault.body)
        return True


async def _write(writer: asyncio.StreamWriter, status: int, headers: tuple[tuple[str, str], ...], body: str) -> None:
    lines = [
        f"HTTP/1.1 {status} Scripted",
        "Content-Type: application/json",
        f"Content-Length: {len(body.encode())}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    await writer.drain()


async def _serve_forever(latency_s: float) -> None:
    server = ChatServer(latency_s=latency_s)
    listening = await server.start()
    print(server.base_url, flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    asyncio.run(_serve_forever(parser.parse_args().latency))
