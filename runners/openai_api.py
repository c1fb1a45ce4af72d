"""Models behind an OpenAI-compatible API: the named providers, or any server by its base URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from harness.errors import InputError, ModelUnavailable
from harness.types import GrammarForm, ModelSpec, RunnerOptions
from runners.contract import key_in
from runners.openai_chat import OpenAIChatRunner
from runners.options import BODY_PREFIX, COMMON_KEYS, check_keys
from runners.providers import PROVIDERS, ConstraintStyle, Provider

_STYLES: Mapping[GrammarForm, ConstraintStyle] = MappingProxyType(
    {"json_schema": "openai", "regex": "vllm", "lark": "vllm", "gbnf": "llama.cpp"}
)


class OpenAIApiRunner(OpenAIChatRunner):
    """A model of a named provider, or of the server at ``options.base_url``.

    ``-M constrain_with=json_schema|regex|lark|gbnf|none`` names the form that a server honours,
    ``-M key_env=NAME`` the variable that holds its key.
    """

    def __init__(self, spec: ModelSpec, options: RunnerOptions) -> None:
        check_keys(options.extra, (*COMMON_KEYS, "constrain_with", "key_env"), (BODY_PREFIX,))
        super().__init__(spec, options, _provider(spec, options))

    def check(self) -> None:
        if not (self.options.base_url or self.provider.base_url):
            raise ModelUnavailable(f"{self.name}: the address of its server is needed: add --base-url URL")
        key = key_in(self._key_variable())
        if self.key_env and not key:
            raise ModelUnavailable(
                f"{self.name} needs an API key: set ${self.key_env}; "
                "without one, --model smollm2-135m runs here on the CPU"
            )


def _provider(spec: ModelSpec, options: RunnerOptions) -> Provider:
    name = spec.provider or "openai-compatible"
    provider = PROVIDERS.get(name)
    if provider is None:
        raise InputError(f"model {spec.name}: unknown provider {name!r}; known: {', '.join(PROVIDERS)}")
    form = options.extra.get("constrain_with")
    if form is None:
        return provider if spec.extra.get("strict_json", True) else replace(provider, forms=())
    if form == "none":
        return replace(provider, forms=())
    for known, style in _STYLES.items():
        if form == known:
            return replace(provider, forms=(known,), style=style)
    raise InputError(f"-M constrain_with={form}: one of {', '.join(_STYLES)} or none is needed")
