"""Reading the ``-M key=value`` pairs: typed, with one clear line for a key or value that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from harness.errors import InputError

BODY_PREFIX, HEADER_PREFIX, QUERY_PREFIX = "body.", "header.", "query."
COMMON_KEYS = ("model", "omit", "probe")
# Of servers that the harness did not start.
SERVER_KEYS = ("ca", "key_env")
SERVER_PREFIXES = (HEADER_PREFIX, QUERY_PREFIX)
# What no address, program, file or key is behind, so that a stored run may say it.
HARMLESS_KEYS = frozenset({
    "batch", "constrain_with", "context", "device", "dtype", "latency_ms", "model", "omit", "precision", "probe",
    "slots", "start_timeout_s", "threads", "threshold",
})  # fmt: skip


def check_keys(extra: Mapping[str, str], known: Iterable[str], prefixes: Iterable[str] = ()) -> None:
    """Raise InputError for a key that is neither in ``known`` nor starts with one of ``prefixes``."""
    names = sorted(known)
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
