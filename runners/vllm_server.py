"""Models served by vLLM: a child process started with the right flags, or a server that runs already."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from harness.errors import InputError, ModelUnavailable, RequestError
from harness.types import GrammarForm, Message, ModelSpec, RunnerOptions
from runners.chat_body import chat_messages
from runners.openai_chat import OpenAIChatRunner
from runners.options import BODY_PREFIX, COMMON_KEYS, check_keys, seconds
from runners.providers import PROVIDERS
from runners.server_process import ServerProcess, free_port

# In order of preference: only Lark excludes self-pairs; vLLM's xgrammar backend takes all three.
FORMS: tuple[GrammarForm, ...] = ("lark", "regex", "json_schema")
STRUCTURED_OUTPUTS = {"backend": "xgrammar", "disable_any_whitespace": True}
FLAG_PREFIX = "flag."
# Weights of 100 GB and more, read from a network disk, and CUDA graphs take their time.
START_TIMEOUT_S = 1800.0


def server_command(spec: ModelSpec, options: RunnerOptions, port: int) -> list[str]:
    """The command that serves ``spec`` on ``port`` of the loopback interface.

    The row's ``extra.flags`` and ``-M flag.NAME=VALUE`` add ``--NAME VALUE`` or replace it; an empty
    VALUE adds the bare flag. The structured-output backend is pinned, as vLLM otherwise keeps whichever
    the first request picks; JSON gets no free whitespace, which small models fill until the token limit.
    """
    flags = {
        "host": "127.0.0.1",
        "port": str(port),
        "model": str(Path(spec.model_id).expanduser()) if _is_path(spec.model_id) else spec.model_id,
        "served-model-name": spec.model_id,
        "dtype": "bfloat16",
        "structured-outputs-config": json.dumps(STRUCTURED_OUTPUTS, separators=(",", ":")),
        "enable-prompt-tokens-details": "",
        "disable-uvicorn-access-log": "",
    }
    if spec.context:
        flags["max-model-len"] = str(spec.context)
    if spec.revision:
        flags["revision"] = spec.revision
    if spec.gpus > 1:
        flags["tensor-parallel-size"] = str(spec.gpus)
    if _on_cpu(spec, options):
        flags["enforce-eager"] = ""
    flags |= _row_flags(spec) | _given_flags(options)
    command = [interpreter(options), "-m", "vllm.entrypoints.openai.api_server"]
    for name, value in flags.items():
        command += [f"--{name}", value] if value else [f"--{name}"]
    return command


def server_environment(spec: ModelSpec, options: RunnerOptions, env: Mapping[str, str]) -> dict[str, str]:
    """The child's environment; on the CPU, vLLM's cache is bounded unless the caller chose a size (GB)."""
    # A key set for some other vLLM server would lock this process out of its own.
    child = {name: value for name, value in env.items() if name != "VLLM_API_KEY"}
    return {"VLLM_CPU_KVCACHE_SPACE": "4", **child} if _on_cpu(spec, options) else child


def interpreter(options: RunnerOptions) -> str:
    """The Python that has vLLM: ``-M python=PATH``, ``$HARNESS_VLLM_PYTHON``, or this one."""
    return options.extra.get("python") or os.environ.get("HARNESS_VLLM_PYTHON") or sys.executable


class VllmServerRunner(OpenAIChatRunner):
    """A model on a vLLM server: its own child process, or the one at ``options.base_url``.

    ``-M device=cpu|gpu`` says where to serve (default: on a GPU if there is one or the model's row counts
    any), ``-M python=PATH`` names the interpreter that has vLLM, ``-M flag.NAME=VALUE`` sets a flag of
    the server, ``-M start_timeout_s=1800`` bounds its start.
    """

    def __init__(self, spec: ModelSpec, options: RunnerOptions) -> None:
        check_keys(
            options.extra,
            (*COMMON_KEYS, "device", "key_env", "python", "start_timeout_s"),
            (BODY_PREFIX, FLAG_PREFIX),
        )
        if options.extra.get("device") not in (None, "cpu", "gpu"):
            raise InputError(f"-M device={options.extra['device']}: cpu or gpu is needed")
        self._start_timeout_s = seconds(options.extra, "start_timeout_s", START_TIMEOUT_S)
        limit = _given_flags(options).get("max-model-len", "")
        if limit.isdecimal():
            spec = replace(spec, context=int(limit))
        super().__init__(spec, options, replace(PROVIDERS["vllm-server"], forms=FORMS))
        self._server: ServerProcess | None = None

    def check(self) -> None:
        if self.options.base_url:
            return
        spec = self.spec
        if not _on_cpu(spec, self.options) and not has_gpu():
            count = f"{spec.gpus} GPU{'s' if spec.gpus > 1 else ''} of 80 GB"
            memory = f" ({spec.memory_gb:g} GB in all)" if spec.memory_gb else ""
            raise ModelUnavailable(
                f"{self.name} needs {count}{memory} and this machine has none: point --base-url at a vLLM "
                "server that has it, or use an API model such as gpt-4o, or --model smollm2-135m on the CPU"
            )
        if not has_vllm(interpreter(self.options)):
            raise ModelUnavailable(
                f"{self.name} runs through vLLM, which {interpreter(self.options)} cannot import: "
                "pip install 'docre-harness[vllm]', or name an interpreter that has it with -M python=PATH"
            )

    async def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """The prompt tokens of a chat, its template included."""
        client = await self._connected()
        body: dict[str, object] = {
            "model": self.served_model,
            "messages": chat_messages(messages, self.spec),
            "add_generation_prompt": True,
        }
        if self.spec.chat:
            body["chat_template_kwargs"] = dict(self.spec.chat)
        root = str(client.base_url).rstrip("/").removesuffix("/v1")
        answer = await self._post(client, f"{root}/tokenize", body)
        count = answer.get("count") if isinstance(answer, dict) else None
        if not isinstance(count, int):
            raise RequestError("vLLM did not count the prompt's tokens")
        return count

    def _key_variable(self) -> str:
        return (self.key_env or "OPENAI_API_KEY") if self.options.base_url else ""

    async def _start(self) -> str:
        if self.options.base_url:
            return self.options.base_url
        self.check()
        port = free_port()
        folder = self.options.log_dir or Path(tempfile.mkdtemp(prefix="docre-harness-"))
        server = ServerProcess(
            server_command(self.spec, self.options, port),
            server_environment(self.spec, self.options, os.environ),
            folder / f"vllm-{port}.log",
        )
        self._server = server
        try:
            await server.wait_until_healthy(f"http://127.0.0.1:{port}/health", self._start_timeout_s)
        except BaseException:
            await self._stop()
            raise
        return f"http://127.0.0.1:{port}/v1"

    async def _stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop()


def has_gpu() -> bool:
    """Whether this machine shows a GPU that vLLM can use (NVIDIA or AMD)."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists() or which("nvidia-smi") is not None


def has_vllm(python: str) -> bool:
    """Whether the interpreter has vLLM installed; found without importing it, which takes seconds."""
    if python == sys.executable:
        return find_spec("vllm") is not None
    script = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    try:
        return subprocess.run([python, "-c", script], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _row_flags(spec: ModelSpec) -> dict[str, str]:
    flags = spec.extra.get("flags", {})
    return {name: str(value) for name, value in flags.items()} if isinstance(flags, dict) else {}


def _given_flags(options: RunnerOptions) -> dict[str, str]:
    return {key.removeprefix(FLAG_PREFIX): value for key, value in options.extra.items() if key.startswith(FLAG_PREFIX)}


def _on_cpu(spec: ModelSpec, options: RunnerOptions) -> bool:
    device = options.extra.get("device")
    return device == "cpu" or (device is None and spec.gpus == 0 and not has_gpu())


def _is_path(model_id: str) -> bool:
    return model_id.startswith(("/", "./", "../", "~"))
