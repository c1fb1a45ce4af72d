"""A fake provider of batches in OpenAI's protocol: it validates, waits, fails some, expires, answers out of order.

It is a chat server, too, by the rule that answers its batches.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chat_server import ChatServer, Rule, answer_by_rule

BOUNDARY = re.compile(rb"boundary=([^\r\n;]+)", re.IGNORECASE)
Line = dict[str, Any]


@dataclass
class Batch:
    """A batch as the provider knows it."""

    id: str
    lines: list[Line]
    metadata: dict[str, str]
    looks: int = 0
    status: str = "validating"
    output: str = ""
    errors: str = ""
    reason: list[dict[str, str]] = field(default_factory=list)


Outcome = Callable[[int, Line], Line | None]
"""By the number of the batch and a line of it: the line that it gets instead of an answer, None for an answer."""


class BatchServer(ChatServer):
    """``looks`` says how often a batch is looked at before it is over; ``most_waiting`` requests fit its queue."""

    def __init__(self, rule: Rule = answer_by_rule, looks: int = 1, most_waiting: int = 1 << 30) -> None:
        super().__init__(rule)
        self.looks = looks
        self.most_waiting = most_waiting
        self.outcome: Outcome = lambda _number, _line: None
        self.refuses = ""
        self.loses_answers_to_submits = 0
        self.ends: dict[int, str] = {}
        self.files: dict[str, bytes] = {}
        self.batches: list[Batch] = []
        self.uploads: list[bytes] = []

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        if path.endswith("/chat/completions"):
            return await super()._serve_one(_Again(head, reader), writer)  # type: ignore[arg-type]
        body = await _body(head, reader)
        self.uploads.append(body)
        status, content = self._reply(method, path.partition("?")[0].removeprefix("/v1"), head, body)
        if method == "POST" and path.endswith("/batches") and self.loses_answers_to_submits:
            self.loses_answers_to_submits -= 1
            return False
        reply = content if isinstance(content, bytes) else json.dumps(content).encode()
        lines = (
            f"HTTP/1.1 {status} Scripted",
            "Content-Type: application/json",
            f"Content-Length: {len(reply)}",
            "",
            "",
        )
        writer.write("\r\n".join(lines).encode() + reply)
        await writer.drain()
        return True

    def _reply(self, method: str, path: str, head: bytes, body: bytes) -> tuple[int, object]:
        if (method, path) == ("POST", "/files"):
            return self._take_file(head, body)
        if (method, path) == ("POST", "/batches"):
            return self._take_batch(json.loads(body))
        if (method, path) == ("GET", "/batches"):
            return 200, {"data": [self._told(one) for one in reversed(self.batches)]}
        if found := re.fullmatch(r"/batches/(\w+)", path):
            batch = next(one for one in self.batches if one.id == found[1])
            self._look_at(batch)
            return 200, self._told(batch)
        if (found := re.fullmatch(r"/files/(\w+)/content", path)) and found[1] in self.files:
            return 200, self.files[found[1]]
        return 404, {"error": {"message": f"no {path}"}}

    def _take_file(self, head: bytes, body: bytes) -> tuple[int, object]:
        boundary = BOUNDARY.search(head)
        assert boundary is not None
        parts = body.split(b"--" + boundary[1])
        assert any(b'name="purpose"' in part and part.rstrip().endswith(b"batch") for part in parts)
        (content,) = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts if b'name="file"' in part]
        name = f"file{len(self.files)}"
        self.files[name] = content
        return 200, {"id": name, "object": "file", "purpose": "batch"}

    def _take_batch(self, asked: dict[str, Any]) -> tuple[int, object]:
        if (asked["endpoint"], asked["completion_window"]) != ("/v1/chat/completions", "24h"):
            return 400, {"error": {"message": "no such endpoint"}}
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        batch = Batch(f"batch{len(self.batches)}", lines, asked["metadata"])
        names = [line["custom_id"] for line in lines]
        if len(set(names)) < len(names) or any(line["url"] != "/v1/chat/completions" for line in lines):
            batch.reason = [{"code": "invalid_request", "message": "two lines of one name"}]
        elif self.refuses:
            batch.reason = [{"code": "invalid", "message": self.refuses}]
        elif (
            len(lines) + sum(len(one.lines) for one in self.batches if one.status == "in_progress") > self.most_waiting
        ):
            batch.reason = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]
        batch.status = "failed" if batch.reason else "in_progress"
        self.batches.append(batch)
        return 200, self._told(batch)

    def _look_at(self, batch: Batch) -> None:
        batch.looks += 1
        if batch.status != "in_progress" or batch.looks < self.looks:
            return
        number = self.batches.index(batch)
        batch.status = self.ends.get(number, "completed")
        done = batch.lines if batch.status == "completed" else batch.lines[: len(batch.lines) // 2]
        good, bad = [], []
        for line in reversed(batch.lines):
            named = {"id": f"r{line['custom_id'][:8]}", "custom_id": line["custom_id"]}
            if line not in done:
                bad.append({**named, "response": None, "error": {"code": "batch_expired", "message": "too late"}})
            elif outcome := self.outcome(number, line):
                bad.append({**named, "error": None, **outcome})
            else:
                body = self.rule(line["body"])
                self.answered[json.dumps(line["body"]["messages"])] += 1
                good.append({**named, "response": {"status_code": 200, "body": body}, "error": None})
        for place, answers in (("output", good), ("errors", bad)):
            if answers:
                name = f"file{len(self.files)}"
                self.files[name] = "".join(json.dumps(one) + "\n" for one in answers).encode()
                setattr(batch, place, name)

    def _told(self, batch: Batch) -> dict[str, object]:
        return {
            "id": batch.id,
            "object": "batch",
            "status": batch.status,
            "metadata": batch.metadata,
            "request_counts": {"total": len(batch.lines), "completed": 0, "failed": 0},
            "output_file_id": batch.output or None,
            "error_file_id": batch.errors or None,
            "errors": {"data": batch.reason} if batch.reason else None,
        }


def status(code: int, message: str) -> Line:
    """The line of a request that the provider refused."""
    return {"response": {"status_code": code, "body": {"error": {"message": message}}}}


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    if length := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
        return await reader.readexactly(int(length[1]))
    content = b""
    while b"transfer-encoding: chunked" in head.lower():
        size = int(await reader.readline(), 16)
        piece = (await reader.readexactly(size + 2))[:-2]
        if not size:
            break
        content += piece
    return content


class _Again:
    """A stream whose head was read already."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader) -> None:
        self._head = head
        self._reader = reader

    async def readuntil(self, _separator: bytes) -> bytes:
        return self._head

    async def readexactly(self, count: int) -> bytes:
        return await self._reader.readexactly(count)
