"""Answers of llama.cpp's server read as they are written, and ended when they repeat themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runners.repetition import repeats

if TYPE_CHECKING:
    import httpx2

    from runners.connections import BoundedClient

EVENT = "data: "
LAST_EVENT = "[DONE]"


async def until_repetition(
    client: BoundedClient, path: str, body: Mapping[str, object], copies: int
) -> httpx2.Response:
    """The answer to a request for a chat completion, as if it had come whole.

    Where its last tokens are the same ``copies`` times in a row, the connection is closed, which ends the server's work
    on it, and the finish reason is ``repetition``. What is no stream, such as an error, is asked for again whole.
    """
    import httpx2

    asked = {**body, "stream": True, "stream_options": {"include_usage": True}, "timings_per_token": True}
    response = await client.opened(client.build_request("POST", path, json=asked))
    try:
        if response.is_success and "event-stream" in response.headers.get("content-type", ""):
            answer = await _read(response, copies)
            return httpx2.Response(200, json=answer, request=response.request)
    finally:
        await response.aclose()
    return await client.post(path, json=body)


async def _read(response: httpx2.Response, copies: int) -> dict[str, object]:
    texts: list[str] = []
    thoughts: list[str] = []
    logprobs: list[object] = []
    usage: Any = None
    timings: dict[str, Any] = {}
    ending: object = None
    async for line in response.aiter_lines():
        if not line.startswith(EVENT) or (data := line.removeprefix(EVENT).strip()) == LAST_EVENT:
            continue
        chunk = json.loads(data)
        usage = chunk.get("usage") or usage
        timings = chunk.get("timings") or timings
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            thoughts.append(delta.get("reasoning_content") or "")
            logprobs += (choice.get("logprobs") or {}).get("content") or ()
            ending = choice.get("finish_reason") or ending
            if text := delta.get("content"):
                texts.append(text)
                if ending is None and repeats(texts, copies):
                    ending = "repetition"
        if ending == "repetition":
            read = timings.get("prompt_n", 0) + timings.get("cache_n", 0)
            usage = {"prompt_tokens": read, "completion_tokens": len(texts)}
            break
    message = {"role": "assistant", "content": "".join(texts), "reasoning_content": "".join(thoughts)}
    choice = {"message": message, "finish_reason": ending, "logprobs": {"content": logprobs} if logprobs else None}
    return {"choices": [choice], "usage": usage, "timings": timings}
