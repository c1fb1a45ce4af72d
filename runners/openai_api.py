"""Models behind an OpenAI-compatible API: the named providers, or any server by its base URL."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from harness.errors import InputError, ModelUnavailable
from harness.types import Batches, GrammarForm, ModelSpec, RunnerOptions
from runners.addresses import read_address
from runners.contract import Declaration, key_in
from runners.openai_chat import OpenAIChatRunner
from runners.options import REMOTE_OPTIONS, SERVER_OPTIONS, Option, with_given_context
from runners.providers import PROVIDERS, ConstraintStyle, Provider
from runners.server_context import field_of, named_entry

_STYLES: Mapping[GrammarForm, ConstraintStyle] = MappingProxyType(
    {"json_schema": "openai", "regex": "vllm", "lark": "vllm", "gbnf": "llama.cpp"}
)

UNNAMED = "openai-compatible"
"""The provider of a server of which only the address is known."""

_OWNERS = MappingProxyType({"vllm": "vllm", "llamacpp": "llama-server"})
"""What ``owned_by`` says in a server's list of models, and the prefix of ``--model`` for such a server."""

log = logging.getLogger(__name__)


class OpenAIApiRunner(OpenAIChatRunner):
    """A model of a named provider, or of the server at ``options.base_url``."""

    OPTIONS = MappingProxyType(
        {
            **SERVER_OPTIONS,
            **REMOTE_OPTIONS,
            "constrain_with": Option(f"the grammar that the server honours: {', '.join(_STYLES)} or none"),
        }
    )

    def __init__(self, spec: ModelSpec, options: RunnerOptions) -> None:
        super().__init__(with_given_context(spec, options.extra), options, _provider(spec, options))

    def check(self) -> None:
        base_url = self.options.base_url or self.provider.base_url
        if not base_url:
            raise ModelUnavailable(f"{self.name}: the address of its server is needed: add --base-url URL")
        self._check_connection(base_url)
        key = key_in(self._key_variable())
        is_asked_for = "key_env" in self.options.extra or not read_address(base_url).is_local
        if self.key_env and is_asked_for and not key:
            raise ModelUnavailable(
                f"{self.name} needs an API key: set ${self.key_env}; "
                "without one, --model smollm2-135m runs here on the CPU"
            )

    def batches(self) -> Batches:
        """Its provider's batches; raises InputError if it has none of this form."""
        from runners.batch_api import batches_of

        return batches_of(self)

    async def _ask_server(self, method: Literal["GET", "POST"], path: str, body: Mapping[str, object] | None) -> object:
        answer = await super()._ask_server(method, path, body)
        if path == "models" and self.provider.name == UNNAMED and "constrain_with" not in self.options.extra:
            self._tell_better_name(field_of(named_entry(answer, self.served_model), "owned_by"))
        return answer

    def _tell_better_name(self, owner: object) -> None:
        """Say once how a server that has grammars of its own is asked for more than any API can do."""
        prefix = _OWNERS.get(owner) if isinstance(owner, str) else None
        if prefix and prefix not in self._told:
            self._told.add(prefix)
            log.warning(
                "%s: this is a server of %s: --model %s/%s holds its answers to grammars and reads more "
                "log-probabilities",
                *(self.name, "vLLM" if prefix == "vllm" else "llama.cpp", prefix, self.served_model),
            )

    def _key_variable(self) -> str:
        variable = super()._key_variable()
        return variable if self.key_env else _azure_variable(self.options.base_url) or variable


def _azure_variable(base_url: str | None) -> str:
    """Azure's key variable, where it is set and the address is one of Azure; else empty."""
    variable = PROVIDERS["azure"].key_env
    return variable if base_url and read_address(base_url).is_azure and os.environ.get(variable) else ""


def _provider(spec: ModelSpec, options: RunnerOptions) -> Provider:
    name = spec.provider or UNNAMED
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


RUNNER = Declaration("openai_api", OpenAIApiRunner, OpenAIApiRunner.OPTIONS)
