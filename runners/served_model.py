"""What servers say of the model that they serve, in the list at ``/v1/models``, and whether they mean the same one."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import FatalError
from runners.server_context import field_of, named_entry

# vLLM and SGLang: the weights, the model that an adapter changes, the context. In llama-server's ``meta``: sizes.
_FIELDS = ("id", "root", "parent", "max_model_len")
_META = ("n_params", "n_vocab", "n_embd", "n_ctx_train", "size")


def told_of(listing: object, model: str, where: str) -> dict[str, object]:
    """What the list of models of the server ``where`` says of ``model``; empty where it says nothing.

    Folders are told by their last part: servers may keep one model in different places. Raises FatalError where the
    list has several models and not this one.
    """
    entry = named_entry(listing, model)
    entries = field_of(listing, "data")
    if entry is None and isinstance(entries, list) and entries:
        ids = ", ".join(str(field_of(one, "id")) for one in entries[:5])
        raise FatalError(f"{where} serves {ids}, and not {model}")
    told = {name: _last_part(value) for name in _FIELDS if (value := field_of(entry, name)) is not None}
    meta = field_of(entry, "meta")
    return told | {name: value for name in _META if (value := field_of(meta, name)) is not None}


def difference(one: Mapping[str, object], other: Mapping[str, object]) -> str:
    """The first thing that two servers say differently, in words; empty if there is none."""
    for name in one:
        if name in other and one[name] != other[name]:
            return f"{name} {one[name]!r} and {other[name]!r}"
    return ""


def _last_part(value: object) -> object:
    return value.replace("\\", "/").rstrip("/").rpartition("/")[2] if isinstance(value, str) else value
