"""The flags of vLLM's engine for a model, and what the engine needs, whether served or in this process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from harness.errors import InputError, ModelUnavailable
from harness.redaction import is_secret_name
from harness.types import GrammarForm, ModelSpec, RunnerOptions
from runners.adapters import BaseModel
from runners.hardware import has_gpu
from runners.model_file import is_path
from runners.options import HARMLESS_KEYS, LOCAL_OPTIONS, Option, choice, with_given_context
from runners.providers import KEY_VARIABLES

# In order of preference: Lark and GBNF exclude self-pairs, and xgrammar and guidance both take Lark.
FORMS: tuple[GrammarForm, ...] = ("lark", "gbnf", "regex", "json_schema")
STRUCTURED_OUTPUTS = {"backend": "xgrammar", "disable_any_whitespace": True}
FLAG_PREFIX = "flag."
# Sizes, precisions and switches: no address, program or file is behind them, so that a stored run may say them.
HARMLESS_FLAGS = frozenset({
    "block-size", "config-format", "cpu-offload-gb", "data-parallel-size", "disable-log-stats", "dtype",
    "enable-chunked-prefill", "enable-expert-parallel", "enable-prefix-caching", "enforce-eager",
    "gpu-memory-utilization", "kv-cache-dtype", "load-format", "max-logprobs", "max-model-len",
    "max-num-batched-tokens", "max-num-seqs", "no-enable-chunked-prefill", "no-enable-prefix-caching",
    "pipeline-parallel-size", "quantization", "reasoning-parser", "seed", "swap-space", "tensor-parallel-size",
    "tokenizer-mode",
})  # fmt: skip
# The sizes of adapters that vLLM makes room for (its MaxLoRARanks).
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_HARMLESS_VALUE = re.compile(r"\w[\w.]*|")
VLLM_OPTIONS: Mapping[str, Option] = {
    **LOCAL_OPTIONS,
    "device": Option("cpu or gpu (default: a GPU if there is one or the model's row counts any)"),
    "constrain_with": Option(f"the form of grammar: {', '.join(FORMS)} (default: the first that a prompt has)"),
    FLAG_PREFIX: Option("a flag of vLLM's engine"),
}


def engine_flags(spec: ModelSpec, options: RunnerOptions) -> dict[str, str]:
    """The flags of vLLM's engine for a model, by name; an empty value stands for a bare flag.

    The row's ``extra.flags`` and ``-M flag.NAME=VALUE`` add to them or replace one. The structured-output
    backend is pinned, as vLLM otherwise keeps whichever the first request picks; JSON gets no free
    whitespace, which small models fill until the token limit. The sampling defaults that a model's
    repository recommends stay out: a repetition penalty would change what greedy decoding means.
    """
    flags = {
        "model": str(Path(spec.model_id).expanduser()) if is_path(spec.model_id) else spec.model_id,
        "dtype": "bfloat16",
        "structured-outputs-config": json.dumps(STRUCTURED_OUTPUTS, separators=(",", ":")),
        "generation-config": "vllm",
    }
    if spec.context:
        flags["max-model-len"] = str(spec.context)
    if spec.revision:
        flags["revision"] = spec.revision
    if spec.gpus > 1:
        flags["tensor-parallel-size"] = str(spec.gpus)
    if on_cpu(spec, options):
        flags["enforce-eager"] = ""
    return flags | adapter_flags(options) | row_flags(spec) | given_flags(options)


def forms_of(options: RunnerOptions) -> tuple[GrammarForm, ...]:
    """The forms of grammar to send: all, or the one that ``-M constrain_with`` names.

    vLLM before 0.32 makes EBNF of Lark by itself, and cannot do so for some grammars; what it calls EBNF is GBNF.
    """
    if "constrain_with" not in options.extra:
        return FORMS
    named = choice(options.extra, "constrain_with", FORMS, "")
    return tuple(form for form in FORMS if form == named)


def adapter_flags(options: RunnerOptions) -> dict[str, str]:
    """The flags that make room for the adapters, all of which are in memory at once; none without any.

    Raises InputError for a rank that vLLM has no room for.
    """
    if not options.adapters:
        return {}
    largest = max(options.adapters, key=lambda adapter: adapter.rank)
    room = next((rank for rank in LORA_RANKS if rank >= largest.rank), None)
    if room is None:
        raise InputError(f"--adapter {largest.folder} has rank {largest.rank}, and vLLM takes {LORA_RANKS[-1]} at most")
    return {"enable-lora": "", "max-lora-rank": str(room), "max-loras": str(len(options.adapters))}


def check_adapters(spec: ModelSpec, options: RunnerOptions) -> None:
    """Raise InputError for an adapter of another base, as far as a folder here tells, and for one with DoRA."""
    base = BaseModel.of_folder(spec)
    for adapter in options.adapters:
        base.check(adapter)
        if adapter.config.get("use_dora"):
            raise InputError(f"--adapter {adapter.folder}: vLLM has no DoRA: use transformers/MODEL")
    adapter_flags(options)


def command_line(flags: Mapping[str, str]) -> list[str]:
    """Flags as the words of a command."""
    return [word for name, value in flags.items() for word in ((f"--{name}", value) if value else (f"--{name}",))]


def server_environment(spec: ModelSpec, options: RunnerOptions, env: Mapping[str, str]) -> dict[str, str]:
    """The child's environment; on the CPU, vLLM's cache is bounded unless the caller chose a size (GB)."""
    # A key set for some other vLLM server would lock this process out of its own; keys of services could end up in its
    # log. No module of the working folder is to take the place of an installed one.
    child = {name: value for name, value in env.items() if name not in KEY_VARIABLES and name != "VLLM_API_KEY"}
    child["PYTHONSAFEPATH"] = "1"
    return {"VLLM_CPU_KVCACHE_SPACE": "4", **child} if on_cpu(spec, options) else child


def with_chosen_context(spec: ModelSpec, options: RunnerOptions) -> ModelSpec:
    """The model with the context of ``-M flag.max-model-len=N`` or ``-M context=N``, if one was given."""
    limit = given_flags(options).get("max-model-len", "")
    return replace(spec, context=int(limit)) if limit.isdecimal() else with_given_context(spec, options.extra)


def given_flags(options: RunnerOptions) -> dict[str, str]:
    """The flags of ``-M flag.NAME=VALUE``, by name.

    Raises InputError for one that holds a secret, which would stand in the list of processes and in the server's log.
    """
    for key in options.extra:
        if key.startswith(FLAG_PREFIX) and is_secret_name(key):
            raise InputError(f"-M {key}: a server started here needs no key, and a hub's token goes into $HF_TOKEN")
    return {key.removeprefix(FLAG_PREFIX): value for key, value in options.extra.items() if key.startswith(FLAG_PREFIX)}


def is_harmless(key: str, value: str) -> bool:
    """Whether an option ``-M key=value`` reaches no address, runs no program, opens no file and chooses no key."""
    if not key.startswith(FLAG_PREFIX):
        return key in HARMLESS_KEYS or (key == "key_env" and not value)
    return key.removeprefix(FLAG_PREFIX) in HARMLESS_FLAGS and bool(_HARMLESS_VALUE.fullmatch(value))


def row_flags(spec: ModelSpec) -> dict[str, str]:
    """The flags of a row's ``extra.flags``, by name."""
    flags = spec.extra.get("flags", {})
    return {name: str(value) for name, value in flags.items()} if isinstance(flags, dict) else {}


def on_cpu(spec: ModelSpec, options: RunnerOptions) -> bool:
    """Whether the model is to run without a GPU."""
    device = options.extra.get("device")
    return device == "cpu" or (device is None and spec.gpus == 0 and not has_gpu())


def refuse_without_gpu(spec: ModelSpec, options: RunnerOptions) -> None:
    """Raise ModelUnavailable if the model needs a GPU and this machine has none."""
    if on_cpu(spec, options) or has_gpu():
        return
    count = f"{spec.gpus} GPU{'s' if spec.gpus > 1 else ''} of 80 GB"
    memory = f" ({spec.memory_gb:g} GB in all)" if spec.memory_gb else ""
    raise ModelUnavailable(
        f"{spec.name} needs {count}{memory} and this machine has none: point --base-url at a vLLM "
        "server that has it, or use an API model such as gpt-4o, or --model smollm2-135m on the CPU"
    )


def has_vllm(python: str) -> bool:
    """Whether the interpreter has vLLM installed; found without importing it, which takes seconds."""
    if python == sys.executable:
        return find_spec("vllm") is not None
    script = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    env = os.environ | {"PYTHONSAFEPATH": "1"}
    try:
        return subprocess.run([python, "-c", script], capture_output=True, timeout=60, env=env).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
