"""Reading the ``-M key=value`` pairs: typed, with one clear line for a key or value that is wrong."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import NamedTuple

from harness.errors import InputError
from harness.types import ModelSpec

BODY_PREFIX, HEADER_PREFIX, QUERY_PREFIX = "body.", "header.", "query."
# What no address, program, file or key is behind, so that a stored run may say it.
HARMLESS_KEYS = frozenset({
    "batch", "constrain_with", "context", "device", "documents", "dtype", "latency_ms", "model", "omit", "precision",
    "probe", "repetition", "servers", "slots", "stall_timeout_s", "start_timeout_s", "threads", "threshold",
})  # fmt: skip


class Option(NamedTuple):
    """An option ``-M name=value``: its description, and whether an answer depends on it."""

    text: str
    changes_answers: bool = True


# Of every model, of every server, of servers that run elsewhere, and of models that the harness runs itself.
CONTEXT_OPTION = {"context": Option("tokens of prompt and answer together", changes_answers=False)}
SERVER_OPTIONS: Mapping[str, Option] = {
    **CONTEXT_OPTION,
    BODY_PREFIX: Option("a field added to every request; JSON, or text"),
    "model": Option("the model's name at the server"),
    "omit": Option("fields left out of every request, separated by commas"),
    "probe": Option("false: do not test that the server enforces grammars", changes_answers=False),
}
REMOTE_OPTIONS: Mapping[str, Option] = {
    "ca": Option("a file with the certificates (PEM) that the server is trusted by", changes_answers=False),
    "documents": Option(
        "documents asked about at once at a server that keeps the beginnings of few prompts", changes_answers=False
    ),
    HEADER_PREFIX: Option("a header of every request; env:VARIABLE takes the value from the environment"),
    "key_env": Option("the variable that holds the server's key", changes_answers=False),
    QUERY_PREFIX: Option("a query parameter of every request; env:VARIABLE as for headers"),
}
LOCAL_OPTIONS: Mapping[str, Option] = {
    **CONTEXT_OPTION,
    "stall_timeout_s": Option("seconds without any progress after which the run ends", changes_answers=False),
    "start_timeout_s": Option("seconds that the start may take", changes_answers=False),
}


def check_keys(extra: Mapping[str, str], known: Collection[str]) -> None:
    """Raise InputError for a key that is not in ``known``; a known one that ends in a dot is the start of others."""
    names = sorted(name for name in known if not name.endswith("."))
    prefixes = sorted(name for name in known if name.endswith("."))
    for key in extra:
        if key in names or any(key.startswith(prefix) and key != prefix for prefix in prefixes):
            continue
        near = get_close_matches(key, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        offered = ", ".join([*names, *(f"{prefix}NAME" for prefix in prefixes)])
        # Its value is not repeated: it may be a key.
        raise InputError(f"unknown option -M {key}{hint} This model's options: {offered}")


def integer(extra: Mapping[str, str], key: str, default: int) -> int:
    """The whole number under ``key``, at least 1."""
    text = extra.get(key)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"-M {key}={text}: a whole number of 1 or more is needed")
    return int(text)


def with_given_context(spec: ModelSpec, extra: Mapping[str, str]) -> ModelSpec:
    """The model with the context of ``-M context=N``, if that was given."""
    return replace(spec, context=integer(extra, "context", 1)) if "context" in extra else spec


def seconds(extra: Mapping[str, str], key: str, default: float) -> float:
    """The number under ``key``, 0 or more."""
    text = extra.get(key)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"-M {key}={text}: a number of 0 or more is needed")
    return value


def switch(extra: Mapping[str, str], key: str, default: bool) -> bool:
    """The truth value under ``key``: true or false."""
    text = extra.get(key)
    if text is None:
        return default
    if text.lower() not in ("true", "false"):
        raise InputError(f"-M {key}={text}: true or false is needed")
    return text.lower() == "true"


def choice(extra: Mapping[str, str], key: str, known: Sequence[str], default: str) -> str:
    """The word under ``key``, one of ``known``."""
    text = extra.get(key, default)
    if text not in known:
        raise InputError(f"-M {key}={text}: {' or '.join(known)} is needed")
    return text


def body_fields(extra: Mapping[str, str]) -> dict[str, object]:
    """The request fields of ``-M body.NAME=VALUE``; a VALUE that is JSON is sent as such, else as text."""
    fields: dict[str, object] = {}
    for key, text in extra.items():
        if key.startswith(BODY_PREFIX):
            try:
                fields[key.removeprefix(BODY_PREFIX)] = json.loads(text)
            except (json.JSONDecodeError, RecursionError):
                fields[key.removeprefix(BODY_PREFIX)] = text
    return fields
