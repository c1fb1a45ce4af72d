"""The model backends by name, each loaded only when a model asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from harness.errors import InputError
from harness.types import ModelSpec, Runner, RunnerOptions

RUNNERS: Mapping[str, str] = {
    "llama_cpp": "runners.llama_cpp:LlamaCppRunner",
    "mock": "runners.mock:mock_runner",
    "openai_api": "runners.openai_api:OpenAIApiRunner",
    "transformers": "runners.transformers_local:TransformersRunner",
    "vllm_inprocess": "runners.vllm_inprocess:VllmInprocessRunner",
    "vllm_server": "runners.vllm_server:VllmServerRunner",
}


def create_runner(spec: ModelSpec, options: RunnerOptions) -> Runner:
    """Build the runner of a model; nothing is started or connected yet.

    Raises InputError for an unknown runner or ``-M`` option.
    """
    target = RUNNERS.get(spec.runner)
    if target is None:
        raise InputError(f"model {spec.name}: unknown runner {spec.runner!r}; known: {', '.join(RUNNERS)}")
    module, _, factory = target.partition(":")
    runner: Runner = getattr(import_module(module), factory)(spec, options)
    return runner
