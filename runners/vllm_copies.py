"""How many copies of a model vLLM is to serve on this machine's GPUs (``-M servers``), and where each goes."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import InputError
from harness.types import ModelSpec, RunnerOptions
from runners.hardware import visible_gpus
from runners.vllm_flags import engine_flags, on_cpu

AUTO = "auto"
_GPUS_OF_A_COPY = ("tensor-parallel-size", "pipeline-parallel-size")


def server_gpus(spec: ModelSpec, options: RunnerOptions, env: Mapping[str, str]) -> dict[str, str]:
    """The servers to start, by name, each with its ``CUDA_VISIBLE_DEVICES`` (empty: as the harness has it).

    A model that fits on one GPU gets a server for each: they fail one by one, and each has a prefix cache of its own.
    Of a larger one, a single server holds all copies (``data_parallel_flags``).
    """
    copies = _copies(spec, options, env)
    if copies == 1 or _gpus_of_a_copy(spec, options) > 1:
        return {"server": ""}
    if on_cpu(spec, options):
        return {f"server {number + 1}": "" for number in range(copies)}
    return {f"GPU {gpu}": gpu for gpu in visible_gpus(env)[:copies]}


def data_parallel_flags(spec: ModelSpec, options: RunnerOptions, env: Mapping[str, str]) -> dict[str, str]:
    """vLLM's own flag for several copies of a model that needs more than one GPU; empty for one copy."""
    if "servers" not in options.extra or _gpus_of_a_copy(spec, options) == 1:
        return {}
    copies = _copies(spec, options, env)
    return {"data-parallel-size": str(copies)} if copies > 1 else {}


def _copies(spec: ModelSpec, options: RunnerOptions, env: Mapping[str, str]) -> int:
    wish = options.extra.get("servers")
    if wish is None:
        return 1
    if options.base_url:
        raise InputError("-M servers starts servers here: leave it out, and give --base-url once for each server")
    if wish != AUTO and not (wish.isdecimal() and int(wish) >= 1):
        raise InputError(f"-M servers={wish}: {AUTO} or a whole number of 1 or more is needed")
    if on_cpu(spec, options):
        return 1 if wish == AUTO else int(wish)
    gpus, each = len(visible_gpus(env)), _gpus_of_a_copy(spec, options)
    if wish == AUTO:
        return max(1, gpus // each)
    if int(wish) * each > max(gpus, 1):
        raise InputError(f"-M servers={wish}: {spec.name} needs {each} GPUs for each, and {gpus} are visible here")
    return int(wish)


def _gpus_of_a_copy(spec: ModelSpec, options: RunnerOptions) -> int:
    flags = engine_flags(spec, options)
    product = 1
    for name in _GPUS_OF_A_COPY:
        product *= int(flags[name]) if flags.get(name, "").isdecimal() else 1
    return product
