"""Models that run here on the CPU, by llama.cpp (package xllamacpp)."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.errors import FatalError, InputError, ModelUnavailable, RequestError
from harness.types import Message, ModelSpec, Request, RunnerOptions, Supports
from runners import llama_server
from runners.adapters import BaseModel
from runners.child_server import ChildServerRunner
from runners.contract import Declaration, adapter_ids
from runners.gguf_adapter import as_gguf, check_convertible
from runners.gguf_header import GgufHeader, read_gguf_header, shards
from runners.hardware import briefly_spinning_threads, free_memory, total_memory, usable_cores
from runners.hub_file import is_hub_row, must_fetch
from runners.model_file import fetch_model, model_file
from runners.options import LOCAL_OPTIONS, SERVER_OPTIONS, Option, integer, with_given_context
from runners.providers import PROVIDERS
from runners.repetition import REPETITION_OPTION, copies_allowed
from runners.server_process import free_port
from runners.starting import loaded, start_limit
from runners.streaming import until_repetition

if TYPE_CHECKING:
    import httpx2

    from runners.connections import BoundedClient

# Of a model that says nothing of its context.
DEFAULT_CONTEXT = 4096
SMALLEST_CONTEXT = 1024
MOST_SLOTS = 4
# Slots share the processor's time, and each computes the beginning that the prompts of a document share for itself.
CORES_PER_SLOT = 4
# What most prompts and their answers need: a context beyond it must not cost a slot.
USUAL_CONTEXT = 8192
# Of this machine's memory, for the keys and values of all slots.
CACHE_SHARE = 0.25
log = logging.getLogger(__name__)


class LlamaCppRunner(ChildServerRunner):
    """A GGUF file behind llama.cpp's own server, which runs in a child process.

    Each slot answers one request at a time and has the model's full context. The context is what the model was
    trained for, as far as the memory goes.
    """

    OPTIONS = MappingProxyType(
        {
            **SERVER_OPTIONS,
            **LOCAL_OPTIONS,
            "path": Option("another GGUF file", changes_answers=False),
            "slots": Option(
                f"requests at once (one for every {CORES_PER_SLOT} cores, at most {MOST_SLOTS}, as memory allows)",
                changes_answers=False,
            ),
            **REPETITION_OPTION,
            "threads": Option("threads (default: the cores it may use)", changes_answers=False),
        }
    )

    def __init__(self, spec: ModelSpec, options: RunnerOptions) -> None:
        if path := options.extra.get("path"):
            spec = replace(spec, model_id=path, revision="", context=None, extra={})
        self._start_timeout_s = start_limit(options.extra)
        self._copies = copies_allowed(options.extra)
        self._threads = integer(options.extra, "threads", usable_cores())
        spec = with_given_context(spec, options.extra)
        super().__init__(spec, options, replace(PROVIDERS["llama-server"], name="llama_cpp"))
        self._files = shards(model_file(spec))
        self._context, self._slots = self._sizes()
        self.supports = Supports(
            forms=self.provider.forms,
            max_top_logprobs=self.provider.max_top_logprobs,
            context=self._context,
            max_connections=self._slots,
            max_documents=self._slots,
            continues=self.provider.continues,
            takes_effort=True,
            thinking=self.provider.thinking,
            adapters=adapter_ids(options),
        )
        self.take_time()
        self._folder: Path | None = None

    def check(self) -> None:
        if find_spec("xllamacpp") is None:
            raise ModelUnavailable(
                f"{self.name} runs through xllamacpp, which is not installed: pip install 'docre-harness[local]'"
            )
        if is_hub_row(self.spec):
            raise must_fetch(self.spec)
        missing = [file for file in self._files if not file.is_file()]
        if missing and "package" in self.spec.extra:
            return  # It is fetched when the runner starts.
        if missing:
            raise InputError(f"model {self.name}: no such file: {', '.join(map(str, missing))}")
        header = read_gguf_header(self._files[0])
        if header.context and self._context > header.context:
            raise InputError(f"-M context={self._context}: {self.name} was trained for {header.context} tokens at most")
        self._check_adapters(header)
        weights = sum(file.stat().st_size for file in self._files)
        cache, free = header.cache_bytes_per_token * self._context * self._slots, free_memory()
        if weights > free:
            raise ModelUnavailable(
                f"{self.name}: its weights need {weights / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are free: "
                "use a smaller model, or one with fewer bits"
            )
        if weights + cache > free:
            raise ModelUnavailable(
                f"{self.name}: weights and {self._slots} slots with a context of {self._context} tokens need "
                f"{(weights + cache) / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are free: give fewer with "
                "-M slots=N or -M context=N"
            )

    def _check_adapters(self, header: GgufHeader) -> None:
        for adapter in self.options.adapters:
            BaseModel.of_gguf(self.spec, self._files[0]).check(adapter)
            check_convertible(adapter, header)

    def _sizes(self) -> tuple[int, int]:
        """Context of each slot, and slots. The context depends on the machine, not on what else runs there now."""
        try:
            header = read_gguf_header(self._files[0])
        except InputError:  # which check() raises again
            header = GgufHeader({})
        per_token = max(1, header.cache_bytes_per_token)
        fitting = int(total_memory() * CACHE_SHARE) // per_token
        trained = header.context or DEFAULT_CONTEXT
        usual = self.spec.context or min(trained, USUAL_CONTEXT)
        slots = integer(
            self.options.extra, "slots", max(1, min(MOST_SLOTS, usable_cores() // CORES_PER_SLOT, fitting // usual))
        )
        context = self.spec.context or min(trained, max(SMALLEST_CONTEXT, fitting // slots // 256 * 256))
        if "slots" not in self.options.extra:
            weights = sum(file.stat().st_size for file in self._files if file.is_file())
            slots = max(1, min(slots, (free_memory() - weights) // per_token // context))
        return context, slots

    async def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """The prompt tokens of a chat, its template included."""
        answer = await self._post_messages("/chat/completions/input_tokens", messages)
        count = answer.get("input_tokens") if isinstance(answer, dict) else None
        if not isinstance(count, int):
            raise RequestError("llama.cpp did not count the prompt's tokens")
        return count

    async def _exchange(self, client: BoundedClient, path: str, body: Mapping[str, object]) -> httpx2.Response:
        if self._copies and path == "/chat/completions":
            return await until_repetition(client, path, body, self._copies)
        return await super()._exchange(client, path, body)

    def _adapter_fields(self, request: Request) -> dict[str, object]:
        # All of them each time: llama.cpp keeps what another adapter computed of a prompt if a request names none.
        scales = enumerate(float(one == request.adapter) for one in self.supports.adapters)
        return {"lora": [{"id": number, "scale": scale} for number, scale in scales]} if self.supports.adapters else {}

    def _key_variable(self) -> str:
        return ""

    def _weights(self) -> Sequence[Path]:
        return () if "package" in self.spec.extra else [file for file in self._files if file.is_file()]

    async def _start(self) -> str:
        self.check()
        if (given := Path(self.spec.model_id).name) != self._files[0].name and len(self._files) > 1:
            log.info("%s is one of %d files; the model begins with %s", given, len(self._files), self._files[0].name)
        path = await loaded(self.name, lambda: fetch_model(self.spec, log.info), self._start_timeout_s)
        header = read_gguf_header(path)
        self._check_adapters(header)  # of a file that was only now fetched
        port = free_port()
        settings = {
            "path": str(path),
            "port": port,
            "context": self._context,
            "slots": self._slots,
            "threads": self._threads,
            "adapters": [str(as_gguf(adapter, header)) for adapter in self.options.adapters],
        }
        # -P: the modules beside the script have names of others.
        command = [sys.executable, "-P", llama_server.__file__, json.dumps(settings)]
        self._folder = Path(tempfile.mkdtemp(prefix="docre-harness-"))
        try:
            log_file = self._folder / "llama.log"
            return await self._serve(
                command, briefly_spinning_threads(os.environ), log_file, port, self._start_timeout_s
            )
        except FatalError as error:
            raise FatalError(
                f"{self.name}: llama.cpp cannot load {path} with a context of {self._context} tokens in {self._slots} "
                f"slots: {error}"
            ) from error

    async def _stop(self) -> None:
        failed = self._server is not None and self._server.has_stopped
        await super()._stop()
        if self._folder is not None and not failed:  # else the error names the log
            shutil.rmtree(self._folder, ignore_errors=True)


RUNNER = Declaration(
    "llama_cpp",
    LlamaCppRunner,
    LlamaCppRunner.OPTIONS,
    prefix="llama_cpp",
    package="xllamacpp",
    extra="local",
    purpose="the embedded model",
    open_weights=True,
    reads_gguf=True,
    takes_adapters=True,
)
