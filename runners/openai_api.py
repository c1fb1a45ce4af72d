"""Models behind an OpenAI-compatible API: the named providers, or any server by its base URL."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from harness.errors import InputError, ModelUnavailable
from harness.types import GrammarForm, ModelSpec, RunnerOptions
from runners.contract import Declaration
from runners.openai_chat import OpenAIChatRunner
from runners.options import SERVER_OPTIONS, Option, with_given_context
from runners.providers import PROVIDERS, ConstraintStyle, Provider

_STYLES: Mapping[GrammarForm, ConstraintStyle] = MappingProxyType(
    {"json_schema": "openai", "regex": "vllm", "lark": "vllm", "gbnf": "llama.cpp"}
)


class OpenAIApiRunner(OpenAIChatRunner):
    """A model of a named provider, or of the server at ``options.base_url``."""

    OPTIONS = MappingProxyType(
        {
            **SERVER_OPTIONS,
            "constrain_with": Option(f"the grammar that the server honours: {', '.join(_STYLES)} or none"),
            "key_env": Option("the variable that holds the server's key", changes_answers=False),
        }
    )

    def __init__(self, spec: ModelSpec, options: RunnerOptions) -> None:
        super().__init__(with_given_context(spec, options.extra), options, _provider(spec, options))

    def check(self) -> None:
        if not (self.options.base_url or self.provider.base_url):
            raise ModelUnavailable(f"{self.name}: the address of its server is needed: add --base-url URL")
        if self.key_env and not os.environ.get(self.key_env):
            raise ModelUnavailable(
                f"{self.name} needs an API key: set ${self.key_env}; "
                "without one, --model smollm2-135m runs here on the CPU"
            )

    def _key_variable(self) -> str:
        # Where no key variable belongs to the server, OpenAI's is offered, as its own clients do.
        return self.key_env or "OPENAI_API_KEY"


def _provider(spec: ModelSpec, options: RunnerOptions) -> Provider:
    name = spec.provider or "openai-compatible"
    provider = PROVIDERS.get(name)
    if provider is None:
        raise InputError(f"model {spec.name}: unknown provider {name!r}; known: {', '.join(PROVIDERS)}")
    form = options.extra.get("constrain_with")
    if form is None:
        return provider
    if form == "none":
        return replace(provider, forms=())
    for known, style in _STYLES.items():
        if form == known:
            return replace(provider, forms=(known,), style=style)
    raise InputError(f"-M constrain_with={form}: one of {', '.join(_STYLES)} or none is needed")


RUNNER = Declaration("openai_api", OpenAIApiRunner, OpenAIApiRunner.OPTIONS)
