"""Models served by vLLM: a child process started with the right flags, or a server that runs already."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from harness.errors import ModelUnavailable, RequestError, RunnerError
from harness.types import Batches, Message, ModelSpec, Request, Runner, RunnerOptions
from runners.chat_body import continuation_fields
from runners.child_server import ChildServerRunner
from runners.contract import Declaration, adapter_ids, key_in, local_weights
from runners.label_tokens import (
    MOST_VLLM_TOKENS,
    NO_LABELS,
    LabelTokens,
    beginnings,
    first_tokens,
    label_tokens,
    spellings,
)
from runners.options import REMOTE_OPTIONS, SERVER_OPTIONS, Option, choice, seconds
from runners.providers import PROVIDERS
from runners.repetition import REPETITION_OPTION, with_detection
from runners.server_process import free_port
from runners.vllm_copies import data_parallel_flags, server_gpus
from runners.vllm_flags import (
    VLLM_OPTIONS,
    check_adapters,
    command_line,
    engine_flags,
    forms_of,
    has_vllm,
    refuse_without_gpu,
    server_environment,
    with_chosen_context,
)

# Weights of 100 GB and more, read from a network disk, and CUDA graphs take their time.
START_TIMEOUT_S = 1800.0
# Each is a small request to the server, once for a text; more could not be asked for anyway.
MOST_SPELLINGS = 400


def server_command(spec: ModelSpec, options: RunnerOptions, port: int) -> list[str]:
    """The command that serves ``spec`` on ``port`` of the loopback interface."""
    flags = {
        "host": "127.0.0.1",
        "port": str(port),
        "served-model-name": spec.model_id,
        "enable-prompt-tokens-details": "",
        "disable-uvicorn-access-log": "",
    }
    return [
        interpreter(options),
        "-m",
        "vllm.entrypoints.openai.api_server",
        *command_line(flags | engine_flags(spec, options) | data_parallel_flags(spec, options, os.environ)),
        *_adapter_words(spec, options),
    ]


def _adapter_words(spec: ModelSpec, options: RunnerOptions) -> list[str]:
    """The adapters, each served as a model under its checksum; as JSON, since a path may hold an equals sign."""
    modules = [
        json.dumps(
            {"name": one.sha256, "path": str(one.folder.resolve()), "base_model_name": spec.model_id},
            separators=(",", ":"),
        )
        for one in options.adapters
    ]
    return ["--lora-modules", *modules] if modules else []


def interpreter(options: RunnerOptions) -> str:
    """The Python that has vLLM: ``-M python=PATH``, ``$HARNESS_VLLM_PYTHON``, or this one."""
    return options.extra.get("python") or os.environ.get("HARNESS_VLLM_PYTHON") or sys.executable


class VllmServerRunner(ChildServerRunner):
    """A model on a vLLM server: its own child process, or the one at ``options.base_url``."""

    OPTIONS = MappingProxyType(
        {
            **SERVER_OPTIONS,
            **VLLM_OPTIONS,
            **REMOTE_OPTIONS,
            **REPETITION_OPTION,
            "servers": Option(
                "auto or N: start a server for each GPU, over which requests are spread", changes_answers=False
            ),
            "python": Option("the interpreter that has vLLM (or $HARNESS_VLLM_PYTHON)", changes_answers=False),
        }
    )

    def __init__(self, spec: ModelSpec, options: RunnerOptions, gpu: str = "") -> None:
        self._gpu = gpu
        choice(options.extra, "device", ("cpu", "gpu"), "cpu")
        self._start_timeout_s = seconds(options.extra, "start_timeout_s", START_TIMEOUT_S)
        spec = with_chosen_context(spec, options)
        options = with_detection(options)
        super().__init__(spec, options, replace(PROVIDERS["vllm-server"], forms=forms_of(options)))
        self.supports = replace(self.supports, adapters=adapter_ids(options))
        self._encoded: dict[str, list[int]] = {}
        self._encoding = asyncio.Lock()
        if not options.base_url:
            self.take_time()

    def check(self) -> None:
        if self.options.base_url:
            key_in(self._key_variable())
            self._check_connection(self.options.base_url)
            return
        check_adapters(self.spec, self.options)
        refuse_without_gpu(self.spec, self.options)
        if not has_vllm(interpreter(self.options)):
            raise ModelUnavailable(
                f"{self.name} runs through vLLM, which {interpreter(self.options)} cannot import: "
                "pip install 'docre-harness[vllm]', or name an interpreter that has it with -M python=PATH"
            )

    async def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """The prompt tokens of a chat, its template included."""
        fields = {
            "model": self.served_model,
            "add_generation_prompt": True,
            **continuation_fields(messages, self.provider.style),
        }
        answer = await self._post_messages(f"{self.root_url}/tokenize", messages, fields)
        count = answer.get("count") if isinstance(answer, dict) else None
        if not isinstance(count, int):
            raise RequestError("vLLM did not count the prompt's tokens")
        return count

    def _adapter_fields(self, request: Request) -> dict[str, object]:
        return {"model": request.adapter} if request.adapter else {}

    def batches(self) -> Batches:
        """Its requests as lines of files, which ``vllm run-batch`` answers."""
        from runners.batch_api import batches_of

        return batches_of(self)

    async def _label_tokens(self, request: Request) -> LabelTokens:
        """The tokens of a request's labels, each text asked about once; older servers ignore them."""
        labels = request.labels
        if not labels or not request.top_logprobs:
            return NO_LABELS
        if request.first_tokens:
            if len(labels) > MOST_VLLM_TOKENS:
                return NO_LABELS
            await self._learn(text for label in labels for pair in beginnings(label) for text in pair)
            return first_tokens(self._encoded.__getitem__, labels, MOST_VLLM_TOKENS)
        texts = {text: None for label in labels for text in spellings(label)}
        if len(texts) > MOST_SPELLINGS:
            return NO_LABELS
        await self._learn(texts)
        return label_tokens(self._encoded.__getitem__, labels, MOST_VLLM_TOKENS)

    async def _learn(self, texts: Iterable[str]) -> None:
        """Ask for the tokens of those texts that are new; one request at a time does, so that none is asked twice."""
        async with self._encoding:
            new = [text for text in dict.fromkeys(texts) if text not in self._encoded]
            self._encoded |= zip(new, await asyncio.gather(*map(self._encode, new)), strict=True)

    async def _encode(self, text: str) -> list[int]:
        """The tokens of a text; none where the server does not tell them."""
        body = {"model": self.served_model, "prompt": text, "add_special_tokens": False}
        try:
            answer = await self._post(f"{self.root_url}/tokenize", body)
        except RunnerError:  # a proxy may pass on nothing but chats
            return []
        tokens = answer.get("tokens") if isinstance(answer, dict) else None
        return tokens if isinstance(tokens, list) and all(isinstance(one, int) for one in tokens) else []

    def _weights(self) -> Sequence[Path]:
        return () if self.options.base_url else local_weights(self.spec.model_id)

    def _key_variable(self) -> str:
        return super()._key_variable() if self.options.base_url else ""

    async def _start(self) -> str:
        if self.options.base_url:
            return self.options.base_url
        self.check()
        port = free_port()
        folder = self.options.log_dir or Path(tempfile.mkdtemp(prefix="docre-harness-"))
        return await self._serve(
            server_command(self.spec, self.options, port),
            server_environment(self.spec, self.options, os.environ)
            | ({"CUDA_VISIBLE_DEVICES": self._gpu} if self._gpu else {}),
            folder / f"vllm-{port}.log",
            port,
            self._start_timeout_s,
        )


def build(spec: ModelSpec, options: RunnerOptions) -> Runner:
    """One server, or several that are started here, each on a GPU of its own."""
    gpus = server_gpus(spec, options, os.environ)
    if len(gpus) == 1:
        return VllmServerRunner(spec, options)
    from runners.several_servers import SeveralServersRunner

    def build_one(name: str) -> VllmServerRunner:
        return VllmServerRunner(replace(spec, name=f"{spec.name} on {name}"), options, gpus[name])

    return SeveralServersRunner(VllmServerRunner(spec, options), lambda: list(gpus), build_one)


RUNNER = Declaration(
    "vllm_server",
    build,
    VllmServerRunner.OPTIONS,
    prefix="vllm",
    package="vllm",
    extra="vllm",
    purpose="models on this machine's GPUs",
    open_weights=True,
    loads_rows=True,
    takes_adapters=True,
)
