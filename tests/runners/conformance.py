"""The engines that the conformance tests hold to one behaviour, and how each is started on this machine.

Every engine is the real one, with the weights of SmolLM2-135M: llama.cpp and transformers read the GGUF
file of the package, vLLM the bf16 folder named by ``$HARNESS_VLLM_MODEL`` (docs/vllm.md says how to make
it). Engines that are not there are skipped with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib.util import find_spec

import pytest

from harness.models import resolve_model
from harness.types import Adapter, Constraint, GrammarForm, Message, ModelSpec, Request, Runner, RunnerOptions, Sampling
from runners.llama_cpp import LlamaCppRunner
from runners.registry import create_runner
from tests.embedded import embedded_model_file

CONTEXT = 4096
ENGINES = ("llama_cpp", "openai_api", "transformers", "vllm_server", "vllm_inprocess")
WITH_ADAPTERS = tuple(engine for engine in ENGINES if engine != "openai_api")
# One thread each: pools of threads on cores that others use, too, wait for one another most of the time.
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "llama_cpp": {"threads": "1"},
    "openai_api": {"constrain_with": "gbnf"},
    "transformers": {"threads": "1"},
    "vllm_server": {"device": "cpu", "flag.max-model-len": str(CONTEXT)},
    "vllm_inprocess": {"device": "cpu", "flag.max-model-len": str(CONTEXT)},
}


def skip_without(engine: str) -> None:
    """Skip the test, with the reason, if the engine cannot run here."""
    if engine in ("llama_cpp", "openai_api", "transformers"):
        embedded_model_file()
    if engine == "transformers":
        for package in ("torch", "transformers", "outlines", "xgrammar", "accelerate", "gguf"):
            pytest.importorskip(package, reason="needs pip install 'docre-harness[transformers]'")
    if engine.startswith("vllm") and not os.environ.get("HARNESS_VLLM_MODEL"):
        pytest.skip("set HARNESS_VLLM_MODEL (SmolLM2's folder or hub id) to test a real vLLM")
    if engine == "vllm_server" and not os.environ.get("HARNESS_VLLM_PYTHON"):
        pytest.skip("set HARNESS_VLLM_PYTHON (an interpreter that has vLLM) to test a real vLLM server")
    if engine == "vllm_inprocess" and find_spec("vllm") is None:
        pytest.skip("run these tests with an interpreter that has vLLM to test it in process")


def new_runner(engine: str, base_url: str | None = None, adapters: tuple[Adapter, ...] = ()) -> Runner:
    """A runner of the engine that has started nothing; ``openai_api`` asks the server at ``base_url``."""
    return create_runner(_model(engine), RunnerOptions(base_url=base_url, extra=_OPTIONS[engine], adapters=adapters))


class Engines:
    """Runners by engine, all with the same adapters, each started once and stopped together."""

    def __init__(self, adapters: tuple[Adapter, ...] = ()) -> None:
        self._adapters = adapters
        self._runners: dict[str, Runner] = {}
        self._stack = AsyncExitStack()

    async def runner(self, engine: str) -> Runner:
        """The engine's one runner, started; skips the test where the engine is not to be had."""
        skip_without(engine)
        if engine not in self._runners:
            base_url = await self._llama_cpp_address() if engine == "openai_api" else None
            runner = new_runner(engine, base_url, self._adapters)
            self._runners[engine] = await self._stack.enter_async_context(runner)
        return self._runners[engine]

    async def close(self) -> None:
        await self._stack.aclose()

    async def _llama_cpp_address(self) -> str:
        runner = await self.runner("llama_cpp")
        assert isinstance(runner, LlamaCppRunner)
        return runner.base_url


def only(word: str, form: GrammarForm) -> Constraint:
    """A grammar that allows nothing but ``word``, which holds no character that needs escaping."""
    texts: dict[GrammarForm, str] = {
        "regex": word,
        "gbnf": f'root ::= "{word}"',
        "lark": f'start: "{word}"',
        "json_schema": f'{{"type": "string", "enum": ["{word}"]}}',
    }
    return Constraint(form, texts[form])


def ask(text: str, max_tokens: int = 16, constraint: Constraint | None = None, top_logprobs: int = 0) -> Request:
    """A greedy request of one user message."""
    return Request((Message("user", text),), Sampling(max_tokens=max_tokens), constraint, top_logprobs)


def _model(engine: str) -> ModelSpec:
    match engine:
        case "llama_cpp":
            return resolve_model("smollm2-135m")
        case "openai_api":
            return ModelSpec("smollm2-135m", "openai_api", "smollm2-135m", context=CONTEXT)
        case "transformers":
            return resolve_model("transformers/smollm2-135m")
        case _:
            prefix = "vllm" if engine == "vllm_server" else "vllm-inprocess"
            return resolve_model(f"{prefix}/{os.environ.get('HARNESS_VLLM_MODEL', 'smollm2-135m')}")
