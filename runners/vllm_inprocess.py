"""Models run by vLLM's asynchronous engine in this process: no server, no HTTP between."""

from __future__ import annotations

import asyncio
import gc
import itertools
import multiprocessing
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from harness.errors import FatalError, InputError, ModelUnavailable, RequestError, RetryableError
from harness.types import (
    Completion,
    ModelSpec,
    Request,
    RunnerOptions,
    Supports,
)
from runners.contract import Declaration, adapter_ids
from runners.in_process import InProcessRunner
from runners.label_tokens import MOST_VLLM_TOKENS
from runners.options import choice
from runners.progress import counters
from runners.repetition import REPETITION_OPTION, copies_allowed
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
from runners.vllm_requests import lora_request, read_output, sampling_params

MAX_TOP_LOGPROBS = 20
# vLLM kills its processes at once unless it is given time, and then leaves shared memory behind.
SHUTDOWN_S = 10.0
# In this process, vLLM's log would mix with the harness's own lines, and with --json's object on stdout.
LOGGING = {"VLLM_LOGGING_STREAM": "ext://sys.stderr", "VLLM_LOGGING_LEVEL": "WARNING"}


class VllmInprocessRunner(InProcessRunner):
    """A model in vLLM's ``AsyncLLM``, with the flags that ``vllm_server`` would start it with.

    Log-probabilities are over the tokens that the grammar allows. Models whose answers only vLLM's server can take
    apart (gpt-oss) need ``vllm_server``.
    """

    PROVIDER = "vllm-inprocess"
    OPTIONS = MappingProxyType({**VLLM_OPTIONS, **REPETITION_OPTION})

    def __init__(self, spec: ModelSpec, options: RunnerOptions) -> None:
        choice(options.extra, "device", ("cpu", "gpu"), "cpu")
        spec = with_chosen_context(spec, options)
        super().__init__(
            spec,
            options,
            Supports(
                forms_of(options),
                MAX_TOP_LOGPROBS,
                context=spec.context,
                continues=True,
                timeout_s=None,
                adapters=adapter_ids(options),
            ),
        )
        self._engine: Any = None
        self._earlier_processes: set[multiprocessing.process.BaseProcess] = set()
        self._numbers = itertools.count()
        self._thinks_apart = False
        self._copies = copies_allowed(options.extra)

    def check(self) -> None:
        check_adapters(self.spec, self.options)
        refuse_without_gpu(self.spec, self.options)
        if not has_vllm(sys.executable):
            raise ModelUnavailable(
                f"{self.name} runs through vLLM in this process, which {sys.executable} cannot import: "
                f"pip install 'docre-harness[vllm]', or --model vllm/{self.spec.model_id} with an interpreter "
                "that has it (-M python=PATH)"
            )

    def _load(self) -> None:
        for name, value in (LOGGING | server_environment(self.spec, self.options, {})).items():
            os.environ.setdefault(name, value)
        self._earlier_processes = set(multiprocessing.active_children())
        from vllm.v1.engine.async_llm import AsyncLLM

        flags = engine_flags(self.spec, self.options)
        self._template = flags.pop("chat-template", None)
        arguments = _engine_arguments(flags)
        try:
            # Never a local variable: errors that libraries keep would keep the frame, and so the engine, alive.
            self._engine = AsyncLLM.from_engine_args(arguments)
        except Exception as error:
            # Whatever stops vLLM while it starts, from a missing file to too little memory, stops the run.
            raise FatalError(
                f"{self.name}: vLLM did not start ({_last_line(error)}); its own lines above say more"
            ) from error
        if self._given_up:
            self._engine.shutdown(SHUTDOWN_S)
            return
        self._thinks_apart = bool(flags.get("reasoning-parser"))
        self._limit = self._engine.model_config.max_model_len
        self._tokenizer = self._engine.get_tokenizer()

    async def _unload(self) -> None:
        if self._given_up:
            # The engine's processes, which it starts before it exists itself.
            for process in set(multiprocessing.active_children()) - self._earlier_processes:
                process.terminate()
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.shutdown, SHUTDOWN_S)
            # Left to the interpreter's end, its finalizer would meet modules that are gone, and say so.
            del engine
            gc.collect()

    async def _progress(self) -> object:
        from prometheus_client import generate_latest

        return counters(generate_latest().decode())

    async def _decode(self, prompt: list[int], request: Request) -> Completion:
        from vllm.exceptions import VLLMClientError
        from vllm.inputs import tokens_input
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        labels = self._label_tokens(request, MOST_VLLM_TOKENS)
        outputs = self._engine.generate(
            tokens_input(prompt),
            sampling_params(request, self._copies, labels),
            f"request-{next(self._numbers)}",
            lora_request=lora_request(request.adapter, self.options.adapters),
        )
        try:
            # With FINAL_ONLY there is one.
            finished = [output async for output in outputs]
        except (VLLMClientError, ValueError) as error:
            raise RequestError(f"{self.name}: vLLM rejected the request: {_last_line(error)}") from error
        except EngineDeadError as error:
            raise FatalError(f"{self.name}: vLLM's engine has died ({_last_line(error)})") from error
        except EngineGenerateError as error:
            raise RetryableError(f"vLLM failed at this request ({_last_line(error.__cause__ or error)})") from error
        constrained = request.constraint is not None and not self._thinks_apart
        return read_output(finished[-1], request, constrained=constrained, labels=labels)


def _engine_arguments(flags: Mapping[str, str]) -> Any:
    """vLLM's engine arguments, read from flags by its own parser; InputError for one that it does not know."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    def refuse(message: str) -> NoReturn:
        raise InputError(f"vLLM's engine does not take these flags: {message}; flags of its server need vllm/NAME")

    parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())
    # Left alone, the parser would print its usage and exit.
    parser.error = refuse
    return AsyncEngineArgs.from_cli_args(parser.parse_args(command_line(flags)))


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


RUNNER = Declaration(
    "vllm_inprocess",
    VllmInprocessRunner,
    VllmInprocessRunner.OPTIONS,
    prefix="vllm-inprocess",
    package="vllm",
    extra="vllm",
    purpose="models on this machine's GPUs",
    loads_rows=True,
    takes_adapters=True,
)
