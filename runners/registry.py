"""The model backends by name, each loaded only when it is needed."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module

from harness.errors import InputError
from harness.types import ModelSpec, Runner, RunnerOptions
from runners.addresses import names_several
from runners.contract import Declaration
from runners.options import check_keys

RUNNERS: MutableMapping[str, str] = {
    "llama_cpp": "runners.llama_cpp",
    "mock": "runners.mock",
    "openai_api": "runners.openai_api",
    "transformers": "runners.transformers_local",
    "vllm_inprocess": "runners.vllm_inprocess",
    "vllm_server": "runners.vllm_server",
}
"""Name and module of each; the module declares the runner as ``RUNNER``."""


def declared(name: str) -> Declaration:
    """What a runner declares of itself; raises InputError for an unknown one."""
    if name not in RUNNERS:
        raise InputError(f"unknown runner {name!r}; known: {', '.join(RUNNERS)}")
    declaration: Declaration = import_module(RUNNERS[name]).RUNNER
    return declaration


def all_declared() -> Iterator[Declaration]:
    """What each runner declares of itself; imports their modules, none of which imports a heavy package."""
    return map(declared, RUNNERS)


def create_runner(spec: ModelSpec, options: RunnerOptions) -> Runner:
    """Build the runner of a model; nothing is started or connected yet.

    Raises InputError for an unknown runner or ``-M`` option, and for adapters that the runner cannot take.
    """
    try:
        declaration = declared(spec.runner)
    except InputError as error:
        raise InputError(f"model {spec.name}: {error}") from None
    check_keys(options.extra, declaration.options)
    if options.adapters and (options.base_url or not declaration.takes_adapters):
        able = ", ".join(sorted(one.name for one in all_declared() if one.takes_adapters))
        raise InputError(
            f"model {spec.name} takes no --adapter: models that the harness loads itself do ({able}); of a server, "
            "-M model=NAME names an adapter that it serves"
        )
    if names_several(options.base_url):
        from runners.several_servers import on_addresses

        return on_addresses(declaration.build, spec, options)
    return declaration.build(spec, options)
