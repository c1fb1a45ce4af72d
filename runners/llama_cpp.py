"""Models that run inside this process on the CPU, by llama.cpp (package xllamacpp)."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import FatalError, InputError, ModelUnavailable, RequestError
from harness.types import Message, ModelSpec, RunnerOptions, Supports
from runners.contract import identify_path
from runners.hardware import physical_cores
from runners.model_file import fetch_model, model_file
from runners.openai_chat import OpenAIChatRunner
from runners.options import BODY_PREFIX, COMMON_KEYS, check_keys, integer
from runners.providers import PROVIDERS
from runners.starting import loaded, start_limit

if TYPE_CHECKING:
    import xllamacpp

DEFAULT_CONTEXT = 4096
DEFAULT_SLOTS = 4
# llama.cpp keeps finished prompts in memory for reuse; its own default of 8 GB is not for a library.
PROMPT_CACHE_MIB = 256

log = logging.getLogger(__name__)


class LlamaCppRunner(OpenAIChatRunner):
    """A GGUF file behind llama.cpp's own server, which runs in this process.

    ``-M path=FILE.gguf`` serves another file, ``-M slots=4`` requests at once, each with the model's
    full context, on ``-M threads=N`` threads (default: the physical cores). ``-M start_timeout_s=SECONDS``
    bounds the loading (default: no limit).
    """

    def __init__(self, spec: ModelSpec, options: RunnerOptions) -> None:
        check_keys(options.extra, (*COMMON_KEYS, "path", "slots", "start_timeout_s", "threads"), (BODY_PREFIX,))
        if path := options.extra.get("path"):
            spec = replace(spec, model_id=path, revision="", extra={})
        self._slots = integer(options.extra, "slots", DEFAULT_SLOTS)
        self._start_timeout_s = start_limit(options.extra)
        self._threads = integer(options.extra, "threads", physical_cores())
        self._context = spec.context or DEFAULT_CONTEXT
        super().__init__(spec, options, replace(PROVIDERS["llama-server"], name="llama_cpp"))
        self.supports = Supports(
            forms=self.provider.forms,
            max_top_logprobs=self.provider.max_top_logprobs,
            context=self._context,
            max_connections=self._slots,
        )
        self._server: xllamacpp.Server | None = None

    def check(self) -> None:
        if find_spec("xllamacpp") is None:
            raise ModelUnavailable(
                f"{self.name} runs through xllamacpp, which is not installed: pip install 'docre-harness[local]'"
            )
        path = model_file(self.spec)
        if "package" not in self.spec.extra and not path.is_file():
            raise InputError(f"model {self.name}: no such file: {path}")

    async def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """The prompt tokens of a chat, its template included."""
        answer = await self._post_messages("/chat/completions/input_tokens", messages)
        count = answer.get("input_tokens") if isinstance(answer, dict) else None
        if not isinstance(count, int):
            raise RequestError("llama.cpp did not count the prompt's tokens")
        return count

    def _key_variable(self) -> str:
        return ""

    def _identify(self) -> dict[str, str]:
        identity = super()._identify()
        path = model_file(self.spec)
        return identity if "package" in self.spec.extra else identity | identify_path(path)

    async def _start(self) -> str:
        self.check()
        server = await loaded(self.name, lambda: self._serve(fetch_model(self.spec, log.info)), self._start_timeout_s)
        self._server = server
        return f"{server.listening_address}/v1"

    def _serve(self, path: Path) -> xllamacpp.Server:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = self._context * self._slots
        params.n_parallel = self._slots
        params.cpuparams.n_threads = self._threads
        params.cpuparams_batch.n_threads = self._threads
        params.cache_prompt = True
        # One cache a slot: in a unified one, every slot attends over the cells of all (a fifth slower).
        params.kv_unified = False
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.cache_ram_mib = PROMPT_CACHE_MIB
        params.ui = False
        params.endpoint_slots = False
        params.verbosity = -1
        try:
            return xllamacpp.Server(params)
        except RuntimeError as error:
            raise FatalError(
                f"{self.name}: llama.cpp cannot load {path} with a context of {params.n_ctx} tokens "
                f"({error}); is it a GGUF file, and is there memory for it?"
            ) from error

    async def _stop(self) -> None:
        # The server has no shutdown call: it ends with its object, as soon as the answers under way are
        # done or their connections closed, as has just been done.
        self._server = None
