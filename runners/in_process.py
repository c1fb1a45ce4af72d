"""The base of the runners whose model is a Python object in this process, without a server between."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.errors import ContextOverflow, FatalError, HarnessError, RequestError, RetryableError
from harness.types import Completion, Message, ModelSpec, Request, RunnerOptions, Supports
from runners.chat_body import chat_messages
from runners.contract import refuse_unsupported


class InProcessRunner(ABC):
    """Loads its model once, at the first request, renders the chat with the model's own template, and decodes.

    Subclasses set ``_tokenizer`` and ``_limit`` (the context in tokens) when they load.
    """

    def __init__(
        self, spec: ModelSpec, options: RunnerOptions, *, identity: Mapping[str, str], supports: Supports
    ) -> None:
        self.name = spec.name
        self.spec = spec
        self.options = options
        self.identity = identity
        self.supports = supports
        # Tokenizers of several libraries, whose common ground is apply_chat_template.
        self._tokenizer: Any = None
        self._limit = 0
        self._template: str | None = None
        self._ready = asyncio.Lock()
        self._failure: HarnessError | None = None
        self._closed = False

    @abstractmethod
    def check(self) -> None:
        """Raise ModelUnavailable if the model cannot run here."""

    @abstractmethod
    async def _load(self) -> None:
        """Load the model; every failure is an error of ``harness.errors``."""

    @abstractmethod
    async def _unload(self) -> None:
        """Free what ``_load`` took, also if it was cut short; answers under way fail."""

    @abstractmethod
    async def _decode(self, prompt: list[int], request: Request) -> Completion:
        """Continue the tokens of ``prompt`` as ``request`` says."""

    async def generate(self, request: Request) -> Completion:
        """Ask the model; the first call loads it.

        Raises FatalError for a constraint or log-probabilities that the runner cannot give, ContextOverflow
        before any decoding if prompt and ``max_tokens`` together exceed the context.
        """
        refuse_unsupported(self.name, self.supports, request)
        await self._loaded()
        prompt = self._prompt_tokens(request.messages)
        wanted = len(prompt) + request.sampling.max_tokens
        if wanted > self._limit:
            raise ContextOverflow(
                f"prompt and answer do not fit the model's context: {len(prompt)} tokens of prompt and "
                f"{request.sampling.max_tokens} of answer, context {self._limit}"
            )
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.options.timeout_s):
                completion = await self._decode(prompt, request)
        except TimeoutError:
            raise RetryableError(f"no answer within {self.options.timeout_s:g} s") from None
        return replace(completion, latency_s=time.perf_counter() - started)

    async def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """The prompt tokens of a chat, its template included."""
        await self._loaded()
        return len(self._prompt_tokens(messages))

    async def close(self) -> None:
        """Free the model; the runner answers nothing afterwards."""
        self._closed = True
        self._failure = self._closed_error()
        # Not under the lock: a load that takes minutes would hold up Ctrl-C.
        await self._unload()

    async def _loaded(self) -> None:
        async with self._ready:
            self._raise_failure()
            if self._tokenizer is not None:
                return
            try:
                self.check()
                await self._load()
            except HarnessError as error:
                self._failure = error
                raise
            if self._closed:  # while it was loading
                await self._unload()
                self._raise_failure()

    def _closed_error(self) -> FatalError:
        return FatalError(f"{self.name}: the runner is closed")

    def _raise_failure(self) -> None:
        """Raise again what no later request can mend, so that a model is loaded once, not per request."""
        if self._failure is not None:
            raise self._failure

    def _prompt_tokens(self, messages: tuple[Message, ...]) -> list[int]:
        import jinja2

        options: dict[str, Any] = {"chat_template": self._template} if self._template else {}
        try:
            return list(
                self._tokenizer.apply_chat_template(
                    chat_messages(messages, self.spec),
                    add_generation_prompt=True,
                    return_dict=False,
                    **options,
                    **self.spec.chat,
                )
            )
        except (jinja2.TemplateError, ValueError) as error:
            raise RequestError(
                f"{self.name}: its chat template cannot render these messages ({error}); "
                "a model without a chat template is no chat model: take its instruct version"
            ) from error
