"""The base of the runners whose model is a Python object in this process, without a server between."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from types import TracebackType
from typing import Any, ClassVar, Self

from harness.errors import ContextOverflow, RequestError
from harness.types import Completion, Message, ModelSpec, Request, RunnerOptions, Supports
from runners.adjustments import LEFT_OUT, MERGED, with_longer_system
from runners.chat_body import chat_messages
from runners.contract import identify, local_weights, not_started, refuse_unsupported
from runners.label_tokens import MOST_VLLM_TOKENS, NO_LABELS, LabelTokens, first_tokens, label_tokens
from runners.options import Option
from runners.progress import ProgressWatch, stall_limit
from runners.starting import loaded, start_limit

log = logging.getLogger(__name__)


class InProcessRunner(ABC):
    """Loads its model when it is started, renders the chat with the model's own template, and decodes.

    Subclasses set ``_tokenizer`` and ``_limit`` (the context in tokens) when they load.
    """

    OPTIONS: ClassVar[Mapping[str, Option]]
    PROVIDER: ClassVar[str]

    def __init__(self, spec: ModelSpec, options: RunnerOptions, supports: Supports) -> None:
        self.name = spec.name
        self.spec = spec
        self.options = options
        self.supports = supports
        # Tokenizers of several libraries, whose common ground is apply_chat_template.
        self._tokenizer: Any = None
        self._limit = 0
        self._template: str | None = None
        self._spelling: dict[tuple[str, ...], LabelTokens] = {}
        self._system_role = bool(spec.extra.get("system_role", True))
        self._takes_system = False
        # Set while the thread that loads may still be at work: what it loads then is not wanted any more.
        self._given_up = False
        self._watch = ProgressWatch(spec.name, self._progress, stall_limit(options.extra))
        self._start_timeout_s = start_limit(options.extra)

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """What tells this model's answers from another's; a model of this machine is read once for it."""
        weights = () if "package" in self.spec.extra else local_weights(self.spec.model_id)
        return identify(self.PROVIDER, self.spec.model_id, self.spec, self.options, self.OPTIONS, weights)

    @abstractmethod
    def check(self) -> None:
        """Raise ModelUnavailable if the model cannot run here."""

    @abstractmethod
    def _load(self) -> None:
        """Load the model, in a thread of its own; every failure is an error of ``harness.errors``."""

    @abstractmethod
    async def _unload(self) -> None:
        """Free what ``_load`` took, or the part of it that it took if it was cut short; answers under way fail."""

    @abstractmethod
    async def _decode(self, prompt: list[int], request: Request) -> Completion:
        """Continue the tokens of ``prompt`` as ``request`` says."""

    async def _progress(self) -> object:
        """A value that changes while the model works; None where that cannot be told."""
        return None

    async def __aenter__(self) -> Self:
        self.check()
        try:
            await loaded(self.name, self._load, self._start_timeout_s)
        except BaseException:
            self._given_up = True
            await self._unload()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._unload()

    async def probe(self, request: Request) -> None:
        """Raise FatalError for what the runner cannot do; the libraries in this process enforce what they accept."""
        refuse_unsupported(self.name, self.supports, request)

    async def generate(self, request: Request) -> Completion:
        """Ask the model once.

        Raises FatalError for a constraint or log-probabilities that the runner cannot give, ContextOverflow
        before any decoding if prompt and ``max_tokens`` together exceed the context.
        """
        refuse_unsupported(self.name, self.supports, request)
        prompt = self.prompt_tokens(request.messages)
        wanted = len(prompt) + request.sampling.max_tokens
        if wanted > self._limit:
            raise ContextOverflow(
                f"prompt and answer do not fit the model's context: {len(prompt)} tokens of prompt and "
                f"{request.sampling.max_tokens} of answer, context {self._limit}"
            )
        started = time.perf_counter()
        completion = await self._watch.wait_for(self._decode(prompt, request))
        merged = (
            request.messages[0].role == "system" and not self._system_role and self.spec.extra.get("system_role", True)
        )
        return replace(
            completion, latency_s=time.perf_counter() - started, adjusted=(MERGED,) if merged else completion.adjusted
        )

    def _encode(self, text: str) -> list[int]:
        encoded: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return encoded

    def _label_tokens(self, request: Request, most: int | None = None) -> LabelTokens:
        """The tokens that spell the labels whose probabilities a request reads; found once for each list of labels.

        Of first tokens the lists differ from question to question, and are not kept.
        """
        if not request.labels or not request.top_logprobs:
            return NO_LABELS
        if request.first_tokens:
            return first_tokens(self._encode, request.labels, most or MOST_VLLM_TOKENS)
        if request.labels not in self._spelling:
            self._spelling[request.labels] = label_tokens(self._encode, request.labels, most)
        return self._spelling[request.labels]

    async def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """The prompt tokens of a chat, its template included."""
        return len(self.prompt_tokens(messages))

    def prompt_tokens(self, messages: tuple[Message, ...]) -> list[int]:
        """The tokens of a chat in the model's own format, up to where its answer begins."""
        if messages[0].role == "system" and not self._takes_system and self._system_role:
            reason = self._refusal_of_system(messages)
            self._takes_system = self._system_role = not reason
            if reason:
                log.warning("%s: %s from now on: %s", self.name, MERGED, reason)
        return self._rendered(messages)

    def _refusal_of_system(self, messages: tuple[Message, ...]) -> str:
        """Why the template takes no system message, by an error or by leaving it out; empty if it takes one."""
        try:
            is_left_out = len(self._rendered(with_longer_system(messages))) == len(self._rendered(messages))
        except RequestError as error:
            return str(error)
        return LEFT_OUT if is_left_out else ""

    def _rendered(self, messages: tuple[Message, ...]) -> list[int]:
        """The prompt's tokens in the model's own format."""
        import jinja2

        if self._tokenizer is None:
            raise not_started(self.name)
        options: dict[str, Any] = {"chat_template": self._template} if self._template else {}
        try:
            return list(
                self._tokenizer.apply_chat_template(
                    chat_messages(messages, self.spec, system_role=self._system_role),
                    add_generation_prompt=messages[-1].role != "assistant",
                    continue_final_message=messages[-1].role == "assistant",
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
