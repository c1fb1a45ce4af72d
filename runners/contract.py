"""What the runners of real models share: who they are, and refusing what they cannot do."""

from __future__ import annotations

import json
import os
from pathlib import Path

from harness.errors import FatalError, InputError
from harness.redaction import address, looks_like_key, remember
from harness.types import ModelSpec, Request, RunnerOptions, Supports

# What changes no answer, and so stays out of a runner's identity.
NEUTRAL_OPTIONS = frozenset({"batch", "ca", "probe", "key_env", "python", "start_timeout_s", "threads", "slots"})


def identify(provider: str, model: str, spec: ModelSpec, options: RunnerOptions) -> dict[str, str]:
    """What tells the answers of ``model`` from another's; empty values are left out."""
    identity = {
        "provider": provider,
        "model": model,
        "revision": spec.revision,
        "base_url": address(options.base_url or ""),
        "chat": json.dumps(dict(spec.chat), sort_keys=True) if spec.chat else "",
    }
    identity |= {f"-M {key}": value for key, value in options.extra.items() if key not in NEUTRAL_OPTIONS}
    return {key: value for key, value in identity.items() if value}


def identify_path(path: Path) -> dict[str, str]:
    """What tells a model's file, or folder of files, from another under the same path; empty if there is none.

    Hashing tens of gigabytes would delay every start; sizes and times tell files apart.
    """
    files = [path] if path.is_file() else sorted(file for file in path.glob("*") if file.is_file())
    if not files:
        return {}
    statuses = [file.stat() for file in files]
    size = sum(status.st_size for status in statuses)
    changed = max(status.st_mtime_ns for status in statuses)
    return {"model": str(path.resolve()), "file": f"{size} {changed}"}


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
    """Raise FatalError for a constraint or log-probabilities that the runner called ``name`` cannot give."""
    if request.constraint is not None and request.constraint.form not in supports.forms:
        raise FatalError(
            f"{name} cannot be held to a {request.constraint.form} grammar; "
            f"it honours: {', '.join(supports.forms) or 'none, so use --constrain none'}"
        )
    if request.top_logprobs > supports.max_top_logprobs:
        raise FatalError(
            f"{name} gives the log-probabilities of at most {supports.max_top_logprobs} "
            f"alternatives; {request.top_logprobs} were asked for"
        )
