"""Batches of providers that have a form of their own: Mistral's jobs and Anthropic's message batches.

Sources: Mistral's API reference (batch jobs); Anthropic's API reference (message batches, messages).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import RetryableError
from harness.redaction import redact
from harness.types import BatchState, Completion, Request
from runners.batch_api import ENDPOINT, MARK, OpenAIBatches, id_in
from runners.error_text import excerpt
from runners.options import body_fields

if TYPE_CHECKING:
    import httpx2

    from runners.connections import BoundedClient

_MISTRAL_OVER = ("SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED")
_ANTHROPIC_VERSION = "2023-06-01"
_STATUS_OF_ERROR = {"invalid_request_error": 400, "request_too_large": 413, "rate_limit_error": 429}
_FINISH = {"max_tokens": "length", "refusal": "content_filter"}


class MistralBatches(OpenAIBatches):
    """Files as OpenAI's, and jobs in place of batches; the model stands beside the file, too."""

    async def submit(self, file: Path, mark: str, /) -> str:
        asked = {
            "input_files": [await self.upload(file)],
            "endpoint": ENDPOINT,
            "model": self._runner.served_model,
            "metadata": {MARK: mark},
        }
        return id_in(await self.json(lambda client: client.post("/batch/jobs", json=asked)))

    async def find(self, mark: str, /) -> str | None:
        return await self.find_in("/batch/jobs", {"page_size": 100, "created_by_me": True}, mark)

    async def state(self, batch_id: str) -> BatchState:
        told = await self.json(lambda client: client.get(f"/batch/jobs/{batch_id}"))
        status = str(told.get("status"))
        is_over = status in _MISTRAL_OVER
        files = [told.get(name) for name in ("output_file", "error_file")]
        reason = "; ".join(str(one.get("message")) for one in (told.get("errors") or [])[:3]) or status
        return BatchState(
            is_over=is_over,
            answered=int(told.get("completed_requests") or 0),
            files=tuple(str(one) for one in files if one) if is_over else (),
            problem=redact(reason) if is_over and status != "SUCCESS" else "",
        )


class AnthropicBatches(OpenAIBatches):
    """Message batches: the requests are in the body, the answers are messages, and nothing marks a batch."""

    def line(self, request_id: str, request: Request) -> str:
        _, body, _ = self._runner.bodies(request)
        messages: Any = body["messages"]
        system = "\n\n".join(one["content"] for one in messages if one["role"] == "system")
        params: dict[str, object] = {
            name: body[name] for name in ("model", "max_tokens", "temperature") if name in body
        }
        params["messages"] = [one for one in messages if one["role"] != "system"]
        if system:
            params["system"] = system
        if "top_p" in body:
            params["top_p"] = body["top_p"]
        if "stop" in body:
            params["stop_sequences"] = body["stop"]
        params |= body_fields(self._runner.options.extra)
        return json.dumps({"custom_id": request_id, "params": params}, separators=(",", ":"))

    def read(self, line: Mapping[str, object], request: Request) -> Completion:
        result = line.get("result")
        kind = result.get("type") if isinstance(result, dict) else None
        if kind == "succeeded" and isinstance(result, dict):
            return self.completion(200, json.dumps(_as_chat(result.get("message") or {})), request)
        if kind == "errored" and isinstance(result, dict):
            error = result.get("error") or {}
            inner = error.get("error") or error
            return self.completion(
                _STATUS_OF_ERROR.get(str(inner.get("type")), 500), json.dumps({"error": inner}), request
            )
        raise RetryableError(f"the batch has no answer to this request: {excerpt(json.dumps(result), '')}")

    async def submit(self, file: Path, _mark: str, /) -> str:
        content = b'{"requests":[' + b",".join(file.read_bytes().splitlines()) + b"]}"
        return id_in(await self.json(lambda client: client.send(self._request(client, "POST", "", content))))

    async def find(self, _mark: str, /) -> str | None:
        return None

    async def state(self, batch_id: str) -> BatchState:
        told = await self.json(lambda client: client.send(self._request(client, "GET", f"/{batch_id}")))
        counts = told.get("request_counts") or {}
        is_over = told.get("processing_status") == "ended"
        return BatchState(
            is_over=is_over,
            answered=sum(int(count or 0) for name, count in counts.items() if name != "processing"),
            files=(batch_id,) if is_over else (),
        )

    async def fetch(self, file_id: str, place: Path) -> None:
        await self.download(lambda client: self._request(client, "GET", f"/{file_id}/results"), place)

    def _request(self, client: BoundedClient, method: str, path: str, content: bytes | None = None) -> httpx2.Request:
        """A request to Anthropic's own API, which takes the key in a header of its own."""
        request = client.build_request(method, f"/messages/batches{path}", content=content)
        if content is not None:
            request.headers["content-type"] = "application/json"
        request.headers["anthropic-version"] = _ANTHROPIC_VERSION
        if key := request.headers.pop("authorization", "").removeprefix("Bearer "):
            request.headers["x-api-key"] = key
        return request


def _as_chat(message: Mapping[str, Any]) -> dict[str, object]:
    """A message as the chat completion that Anthropic's compatible endpoint makes of it."""
    parts = message.get("content") or []
    text = "".join(part.get("text") or "" for part in parts if isinstance(part, dict) and part.get("type") == "text")
    usage = message.get("usage") or {}
    cached = int(usage.get("cache_read_input_tokens") or 0)
    read = int(usage.get("input_tokens") or 0) + int(usage.get("cache_creation_input_tokens") or 0) + cached
    stopped = str(message.get("stop_reason"))
    return {
        "choices": [
            {
                "index": 0,
                "finish_reason": _FINISH.get(stopped, "stop"),
                "message": {"role": "assistant", "content": text},
            }
        ],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": int(usage.get("output_tokens") or 0),
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }


FORMS: Mapping[str, type[OpenAIBatches]] = {"anthropic": AnthropicBatches, "mistral": MistralBatches}
"""By the name of the provider."""
