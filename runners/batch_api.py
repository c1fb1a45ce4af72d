"""Batches of chat completions in OpenAI's protocol: files of requests that a provider answers within a day.

Source: OpenAI's Batch API reference. ``vllm run-batch`` reads and writes the same lines.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import FatalError, InputError, OutageError, RetryableError
from harness.redaction import is_secret_name, redact
from harness.types import BatchState, Completion, Request
from runners.chat_answer import completion_of
from runners.error_text import excerpt
from runners.http_errors import error_from_response, json_answer
from runners.openai_chat import OpenAIChatRunner
from runners.options import BODY_PREFIX

if TYPE_CHECKING:
    import httpx2

    from runners.connections import BoundedClient

    Exchange = Callable[[BoundedClient], Awaitable[httpx2.Response]]

ENDPOINT = "/v1/chat/completions"
WINDOW = "24h"
MARK = "docre_harness"
_OVER = ("completed", "failed", "expired", "cancelled")
_WITHOUT_ANSWERS = ("failed", "cancelled", "FAILED", "CANCELLED")
# They have no batches, or ones with other addresses, fields or files.
_IN_ANOTHER_FORM = frozenset({"azure", "deepseek", "fireworks", "gemini", "openrouter", "together", "xai"})


def batches_of(runner: OpenAIChatRunner) -> OpenAIBatches:
    """The batches of a runner's provider, in its form; raises InputError where it has none that is known."""
    from runners.batch_forms import FORMS

    return FORMS.get(runner.provider.name, OpenAIBatches)(runner)


class OpenAIBatches:
    """The batches of the provider that ``runner`` talks to; the runner is started for all but lines."""

    def __init__(self, runner: OpenAIChatRunner) -> None:
        self._runner = runner
        if runner.provider.name in _IN_ANOTHER_FORM and not runner.options.base_url:
            raise InputError(
                f"{runner.provider.name} takes no batches in a form that the harness speaks: leave out --batch, or "
                "name a gateway that does with --base-url"
            )

        for key, value in runner.options.extra.items():
            if key.startswith(BODY_PREFIX) and (is_secret_name(key) or redact(value) != value):
                raise InputError(f"-M {key} looks like a secret, and would stand in a file: send it as -M header.NAME")

    def line(self, request_id: str, request: Request) -> str:
        _, body, _ = self._runner.bodies(request)
        line = {"custom_id": request_id, "method": "POST", "url": ENDPOINT, "body": body}
        return json.dumps(line, separators=(",", ":"))

    def read(self, line: Mapping[str, object], request: Request) -> Completion:
        response, error = line.get("response"), line.get("error")
        if not isinstance(response, dict):
            raise RetryableError(f"the batch has no answer to this request: {excerpt(json.dumps(error), '')}")
        status = response.get("status_code")
        text = json.dumps(response.get("body") or error)
        return self.completion(status if isinstance(status, int) else 500, text, request)

    def completion(self, status: int, text: str, request: Request) -> Completion:
        """The answer to a request in the chat completion of a direct one, or the error that it means."""
        told = self._runner.told_of_errors()
        answer = json_answer(status, {"content-type": "application/json"}, text, **told)
        _, body, notes = self._runner.bodies(request)
        return completion_of(answer, request, body, notes, 0.0)

    async def submit(self, file: Path, mark: str, /) -> str:
        asked = {
            "input_file_id": await self.upload(file),
            "endpoint": ENDPOINT,
            "completion_window": WINDOW,
            "metadata": {MARK: mark},
        }
        return id_in(await self.json(lambda client: client.post("/batches", json=asked)))

    async def upload(self, file: Path) -> str:
        """The provider's id of a file of requests."""
        with file.open("rb") as content:
            named = {"file": (file.name, content, "application/jsonl")}
            return id_in(await self.json(lambda client: client.post("/files", data={"purpose": "batch"}, files=named)))

    async def find(self, mark: str, /) -> str | None:
        return await self.find_in("/batches", {"limit": 100}, mark)

    async def find_in(self, path: str, asked: Mapping[str, int | bool], mark: str) -> str | None:
        """The id of the batch with ``mark`` in a list of batches."""
        try:
            listed = await self.json(lambda client: client.get(path, params=dict(asked)))
        except (FatalError, OutageError):  # not every gateway lists them
            return None
        for one in listed.get("data") or []:
            if (one.get("metadata") or {}).get(MARK) == mark and one.get("status") not in _WITHOUT_ANSWERS:
                return id_in(one)
        return None

    async def state(self, batch_id: str) -> BatchState:
        told = await self.json(lambda client: client.get(f"/batches/{batch_id}"))
        status = str(told.get("status"))
        counts = told.get("request_counts") or {}
        files = [told.get(name) for name in ("output_file_id", "error_file_id")]
        errors = (told.get("errors") or {}).get("data") or []
        reason = "; ".join(f"{one.get('code')}: {one.get('message')}" for one in errors[:3]) or status
        return BatchState(
            is_over=status in _OVER,
            answered=int(counts.get("completed") or 0) + int(counts.get("failed") or 0),
            files=tuple(str(one) for one in files if one) if status in _OVER else (),
            problem=redact(reason) if status in _OVER and status != "completed" else "",
        )

    async def fetch(self, file_id: str, place: Path) -> None:
        await self.download(lambda client: client.build_request("GET", f"/files/{file_id}/content"), place)

    async def download(self, request: Callable[[BoundedClient], httpx2.Request], place: Path) -> None:
        """Write the answer to a request to ``place``, of any length."""

        async def exchange(client: BoundedClient) -> httpx2.Response:
            response = await client.opened(request(client))
            try:
                if response.is_success:
                    with part.open("wb") as file:
                        async for piece in response.aiter_bytes():
                            file.write(piece)
                else:
                    await response.aread()
            finally:
                await response.aclose()
            return response

        part = place.with_name(f"{place.name}.part")
        self._check(await self._runner.reached(exchange))
        part.replace(place)

    async def json(self, exchange: Exchange) -> dict[str, Any]:
        """The JSON object that the provider answers with; every failure becomes an error of ``harness.errors``."""
        response = await self._runner.reached(exchange)
        self._check(response)
        try:
            answer = json.loads(response.text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise RetryableError(f"the server's answer about a batch is no JSON object: {excerpt(response.text, '')}")
        return answer

    def _check(self, response: httpx2.Response) -> None:
        if response.is_success:
            return
        told = self._runner.told_of_errors()
        if response.status_code in (404, 405):
            raise FatalError(
                f"{redact(self._runner.base_url, told['key'])} knows no such batch or file, or has no batches at all "
                f"(HTTP {response.status_code}): leave out --batch"
            )
        raise error_from_response(response.status_code, response.headers, response.text, **told)


def id_in(told: Mapping[str, Any]) -> str:
    """The id of the file or batch that an answer tells of."""
    value = told.get("id")
    if not isinstance(value, str):
        raise RetryableError("the server took a batch or its file and named no id")
    return value
