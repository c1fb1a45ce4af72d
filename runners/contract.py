"""What the runners of real models share: how they declare themselves, who they are, what they refuse."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import FatalError, InputError
from harness.redaction import address, looks_like_key, remember
from harness.types import ModelSpec, Request, Runner, RunnerOptions, Supports
from runners.content import content_digest, paths_in
from runners.options import Option

# Folders that are written to, not read.
_WRITTEN = frozenset({"flag.download-dir"})


@dataclass(frozen=True)
class Declaration:
    """All that the rest of the harness knows of a runner; its file holds one, called ``RUNNER``."""

    name: str
    """The ``runner`` of a row of ``models.toml``."""
    build: Callable[[ModelSpec, RunnerOptions], Runner]
    options: Mapping[str, Option]
    """By name; a name that ends in a dot stands for all that begin with it."""
    prefix: str = ""
    """``--model prefix/MODEL`` runs MODEL here; empty where there is no such form."""
    package: str = ""
    """The importable package that the runner needs; empty if it needs none."""
    extra: str = ""
    """The extra of this project that installs the package."""
    purpose: str = ""
    """What the extra is for, as ``harness doctor`` tells it."""
    open_weights: bool = False
    """Its rows name weights that other runners can load."""
    loads_rows: bool = False
    """It can load the model of a row of another runner with open weights."""
    reads_gguf: bool = False
    """Its weights may be a GGUF file."""
    takes_adapters: bool = False
    """It can put LoRA adapters on its model."""


def identify(
    provider: str,
    model: str,
    spec: ModelSpec,
    options: RunnerOptions,
    known: Mapping[str, Option],
    weights: Sequence[Path] = (),
) -> dict[str, str]:
    """What tells the answers of ``model`` from another's; empty values are left out.

    ``known`` are the runner's options. ``weights`` are the files or the folder of a model on this machine, which is
    told by its name and content, not by its place. Files that options name are told by their content, too.
    """
    identity = {
        "provider": provider,
        "model": weights[0].resolve().name if weights else model,
        "sha256": " ".join(map(content_digest, weights)),
        "revision": spec.revision,
        "base_url": address(options.base_url or ""),
        "chat": json.dumps(dict(spec.chat), sort_keys=True) if spec.chat else "",
    }
    for key, value in options.extra.items():
        option = known.get(key)
        if option is None or option.changes_answers:
            identity[f"-M {key}"] = value
            if key not in _WRITTEN and not options.base_url:
                identity[f"sha256 of -M {key}"] = " ".join(map(content_digest, paths_in(value)))
    return {key: value for key, value in identity.items() if value}


def adapter_ids(options: RunnerOptions) -> tuple[str, ...]:
    """The checksums of the adapters that a runner is given, as ``Supports.adapters`` has them."""
    return tuple(adapter.sha256 for adapter in options.adapters)


def local_weights(model_id: str) -> list[Path]:
    """The file or folder of this machine that a model's id names; empty for a model of a hub."""
    path = Path(model_id).expanduser()
    return [path] if path.exists() else []


def not_started(name: str) -> FatalError:
    """The error of a request to the runner called ``name`` outside ``async with``."""
    return FatalError(f"{name}: the model is not started: use the runner within `async with`")


def check_key_variable(name: str) -> None:
    """Raise InputError unless ``-M key_env`` names a variable; the value is not repeated, as it may be the key."""
    if name and (not name.isidentifier() or looks_like_key(name)):
        raise InputError("-M key_env is the name of the environment variable that holds the key, such as MY_KEY")


def key_in(variable: str) -> str:
    """The key that an environment variable holds, empty if it is unset; no message or file will repeat it.

    Raises InputError for one that no HTTP header can carry. White space around it is left out: files end in line feeds.
    """
    key = os.environ.get(variable, "").strip() if variable else ""
    if not all("!" <= character <= "~" for character in key):
        raise InputError(
            f"the key in ${variable} holds white space or a character that is not ASCII, which no HTTP header can "
            "carry: set the variable again"
        )
    remember(key)
    return key


def refuse_unsupported(name: str, supports: Supports, request: Request) -> None:
    """Raise FatalError for what a request asks and the runner called ``name`` cannot give."""
    if request.messages[-1].role == "assistant" and not supports.continues:
        raise FatalError(
            f"{name} starts every answer anew, and this prompt begins the answer itself: use another prompt, or a "
            "model that runs here, behind vLLM or behind llama.cpp"
        )
    if request.constraint is not None and request.constraint.form not in supports.forms:
        raise FatalError(
            f"{name} cannot be held to a {request.constraint.form} grammar; "
            f"it honours: {', '.join(supports.forms) or 'none, so use --constrain none'}"
        )
    if request.sampling.reasoning_effort is not None and not supports.takes_effort:
        raise FatalError(f"{name} cannot be told how much to think: leave out --reasoning-effort")
    if request.sampling.thinking_tokens is not None and supports.thinking is None:
        raise FatalError(f"{name} cannot be told how many tokens to think: leave out --thinking-tokens")
    if request.adapter and request.adapter not in supports.adapters:
        raise FatalError(
            f"{name} was not started with the adapter {request.adapter[:12]}: give its folder to --adapter"
        )
    if request.top_logprobs > supports.max_top_logprobs:
        raise FatalError(
            f"{name} gives the log-probabilities of at most {supports.max_top_logprobs} "
            f"alternatives; {request.top_logprobs} were asked for"
        )
